"""Review of a program's design before it starts: its known failure modes, and published principles item by item."""
