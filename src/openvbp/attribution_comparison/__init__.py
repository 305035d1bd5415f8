"""What the choice of an attribution rule changes: who is assigned to whom, how stably, and what it would pay."""
