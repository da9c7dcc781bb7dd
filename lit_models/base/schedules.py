"""Learning-rate schedules, and the number of steps of a fit that they need."""

from __future__ import annotations

import math
from typing import Literal

import lightning as L

Schedule = Literal["constant", "cosine", "linear"]


def learning_rate_factor(
    step: int, total: float, warmup_fraction: float, schedule: Schedule
) -> float:
    """Learning rate at a step as a fraction of its peak.

    Args:
        step: number of the step, from 0.
        total: steps of the whole fit, inf where that is unknown.
        warmup_fraction: fraction of all steps in which the rate rises linearly.
        schedule: course after the warm-up: `constant`, or `cosine` or `linear` down to zero.
    """
    warmup = warmup_fraction * total
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant" or not math.isfinite(total):
        return 1.0
    progress = min(1.0, (step - warmup) / max(1.0, total - warmup))
    return 1 - progress if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))


def total_steps(trainer: L.Trainer) -> float:
    """Number of optimiser steps of the whole fit.

    Not `trainer.estimated_stepping_batches`: it sets the loaders up before a checkpoint is
    restored, and Lightning then never restores their position in the epoch.
    """
    if trainer.max_epochs == -1:
        return float("inf") if trainer.max_steps == -1 else trainer.max_steps
    batches = len(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    steps = math.ceil(batches / trainer.accumulate_grad_batches) * max(trainer.max_epochs or 1, 1)
    return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)
