"""Measures that are shipped: definitions in Python, who answers for them and examples in the YAML file beside."""
