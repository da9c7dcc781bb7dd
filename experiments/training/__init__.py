"""Execution of one run, from its settings to its row."""
