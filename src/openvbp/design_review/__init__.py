"""A program or contract read before it starts: known failure modes, each with evidence."""
