"""One run, from settings to row."""
