"""Measures of many programs: which are the same, where their definitions part, and what reporting them costs."""
