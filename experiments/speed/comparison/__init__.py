"""Experiments against other libraries: the same work on both sides, in turns."""
