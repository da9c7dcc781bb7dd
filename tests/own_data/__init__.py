"""Corpora as users have them, and the first commands that they type on them."""
