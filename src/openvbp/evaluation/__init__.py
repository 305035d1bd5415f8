"""Did a program work? Studies derived from its parameters, from cells to a report."""
