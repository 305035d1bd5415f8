"""What a year that is not over will come to, and at which savings participation pays."""
