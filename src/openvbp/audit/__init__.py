"""Audits: what a published table says about the rule that made it."""
