"""Soft labels by a teacher, and the page on the worth of texts without labels."""
