"""Batches in, logits out. Knows nothing of corpora, files or the benchmark."""
