"""Text classifiers: logits of batches of token ids."""
