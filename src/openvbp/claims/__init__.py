"""From raw claims to tables that can be trusted: input contract, adapters, checks, events, a synthetic population."""
