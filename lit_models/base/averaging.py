"""Averaged weights: what is validated, kept and predicted with is a mean over steps."""

from __future__ import annotations

from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lit_models.base.sharded_tensors import copy_full

Average = Literal["ema", "asgd"]


class WeightAverage(Callback):
    """Keeps a mean of the weights beside them, and puts it in their place outside training steps.

    ema:  a ← d a + (1 - d) w after each step, d = min(decay, (1 + n) / (10 + n)) at step n, so that
          the first steps are soon forgotten (Tarvainen & Valpola 2017 use the same ramp);
    asgd: a = the plain mean of w over all steps after the first `start` epochs (Polyak & Juditsky
          1992), and w itself before.

    Lightning's own callback writes the current weights, not the averaged ones that were validated,
    into checkpoints of weights alone. Here the average stays in place from the start of a
    validation to the next training step: whatever is saved in between is what was validated.

    Args:
        how: `ema` or `asgd`.
        decay: of `ema`, nearest to 1 remembers longest.
        start: epochs before the mean of `asgd` begins.
    """

    def __init__(self, how: Average, decay: float, start: int) -> None:
        self.how, self.decay, self.start = how, decay, start
        self.other: list[Tensor] = []  # the average in training, the current weights outside
        self.averaged = False  # whether the average is in place
        self.count = 0  # weights that went into the average

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.other, self.averaged, self.count = [], False, 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        own = [p.detach().clone() for p in module.parameters()]
        for mine, loaded in zip(own, self.other, strict=False):  # of a checkpoint, if there was one
            copy_full(mine, loaded)
        self.other = own

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._place(module, averaged=False)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.how == "ema":
            share = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        else:
            share = 1 / (self.count + 1)
        if self.how == "ema" or trainer.current_epoch >= self.start:
            self.count += 1
        with torch.no_grad():
            for mean, weight in zip(self.other, module.parameters(), strict=True):
                mean.lerp_(weight, share)

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.other:  # neither before the first step nor outside a fit
            self._place(module, averaged=True)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._place(module, averaged=True)

    def state_dict(self) -> dict[str, Any]:
        return {"other": self.other, "averaged": self.averaged, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)

    def _place(self, module: L.LightningModule, averaged: bool) -> None:
        """Makes the average, or the current weights, those of the module."""
        if averaged == self.averaged:
            return
        with torch.no_grad():
            for other, weight in zip(self.other, module.parameters(), strict=True):
                kept = weight.clone()
                weight.copy_(other)
                other.copy_(kept)
        self.averaged = averaged
