"""Measurements of speed, alone and against other frameworks."""
