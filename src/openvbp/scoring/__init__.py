"""Scoring formulas shared by programs."""
