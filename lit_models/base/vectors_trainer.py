"""Trainer of word vectors, which are learnt before the model that they are for."""

from __future__ import annotations

import lightning as L


def vectors_trainer(epochs: int) -> L.Trainer:
    """Trainer on the CPU that writes nothing."""
    return L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
