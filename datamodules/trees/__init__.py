"""Texts whose sentences have trees."""
