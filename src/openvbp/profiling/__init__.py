"""Profiles of providers: reliability and flags, fairness of a model, drift of coding."""
