"""Reading results: explanations, comparisons, exports."""
