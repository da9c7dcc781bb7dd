"""Text in, batches out. Knows nothing of models."""
