"""Outputs of runs for each row of a split, and their metrics, by kind of problem."""
