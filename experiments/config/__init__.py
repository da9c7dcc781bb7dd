"""Experiments, profiles and settings: found, resolved and checked."""
