"""Sweeps: settings tried on validation."""
