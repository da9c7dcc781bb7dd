"""Batches in, logits out. Knows nothing of corpora, files or the benchmark."""

from datamodules.upgrade.imports import explain_moved_modules

explain_moved_modules()
