"""Uncertainty of rates and ratios carried into payments: draws are rows that the program's own rules score."""
