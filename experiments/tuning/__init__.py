"""Sweeps: hyper-parameter search on validation."""
