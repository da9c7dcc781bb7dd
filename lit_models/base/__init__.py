"""What architectures share: the training loop, estimators, optimizers, averaging."""
