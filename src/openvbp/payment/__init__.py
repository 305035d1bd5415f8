"""Payment formulas shared by programs."""
