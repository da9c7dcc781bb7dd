"""Text in, batches out. Knows nothing of models."""

from datamodules.upgrade.imports import explain_moved_modules

explain_moved_modules()
