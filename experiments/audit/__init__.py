"""Data audit: what may be wrong with the texts and labels of a corpus."""
