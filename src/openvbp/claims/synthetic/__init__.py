"""A made-up population in the form of Medicare claims, with the truth that real claims never tell."""
