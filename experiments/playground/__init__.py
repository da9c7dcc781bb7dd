"""Trained runs side by side in a browser: their answers, and why."""
