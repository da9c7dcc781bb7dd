"""Corpora and their token arrays on disk, and batches of them."""
