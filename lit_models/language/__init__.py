"""N-gram language models: counts, smoothing, probabilities."""
