"""Corpora whose answer to a text is a sequence."""
