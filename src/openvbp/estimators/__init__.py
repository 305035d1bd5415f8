"""Effects of programs: designs and their inference, on arrays."""
