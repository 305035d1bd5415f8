"""Measures on FHIR R4 resources of single patients, as electronic health records and test decks give them."""
