"""The pages, one module each: from what is served to what is shown."""
