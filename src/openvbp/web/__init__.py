"""Pages of finished runs, for people who would rather look than read."""
