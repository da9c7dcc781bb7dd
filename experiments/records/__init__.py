"""What a run leaves: row, predictions, evidence, test log, published tables."""
