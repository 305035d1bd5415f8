"""Quality measures: a language, value sets, one plan for all measures of a run, and the measures shipped."""
