"""Outcome models: a logistic model with a random intercept for each provider, and risk-standardized rates from it."""
