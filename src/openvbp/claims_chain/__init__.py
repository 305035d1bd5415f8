"""From claims to payment in one run: what programs and contracts are settled from is counted first."""
