"""Files of runs and of published results: rows, predictions, evidence, test log, tables."""
