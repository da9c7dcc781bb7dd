"""Uses of a finished run: prediction, robustness, Kaggle submission, word vectors."""
