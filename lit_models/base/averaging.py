"""Weight averaging: validation, saving and prediction with a mean of the weights over steps."""

from __future__ import annotations

from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lit_models.base.sharded_tensors import copy_full

Average = Literal["ema", "asgd"]


class WeightAverage(Callback):
    """Maintain a mean a of the weights w, and swap it in outside training steps.

    ema:  a ← d a + (1 - d) w after each step, d = min(decay, (1 + n) / (10 + n)) at step n, so that
          the first steps lose their influence early (the ramp of Tarvainen & Valpola 2017);
    asgd: a = mean of w over all steps after the first `start` epochs (Polyak & Juditsky 1992), and
          w itself before.

    Lightning's own callback writes the current weights into weights-only checkpoints, not the
    averaged ones that were validated. Here the average stays in the module from the start of a
    validation to the next training step, so that a checkpoint in between holds what was validated.

    Args:
        method: `ema` or `asgd`.
        decay: largest d of `ema`.
        start: number of epochs before the mean of `asgd` begins.
    """

    def __init__(self, method: Average, decay: float, start: int) -> None:
        self.method, self.decay, self.start = method, decay, start
        # The average during training steps, the current weights otherwise.
        self.other: list[Tensor] = []
        self.averaged = False  # True while the module has the average
        self.count = 0  # steps in the average
        self._step = 0  # of the optimiser, to which the average has come

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.other, self.averaged, self.count = [], False, 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        tensors = [p.detach().clone() for p in module.parameters()]
        for tensor, loaded in zip(tensors, self.other, strict=False):  # none without a checkpoint
            copy_full(tensor, loaded)
        self.other = tensors
        self._step = trainer.global_step

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._swap(module, averaged=False)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == self._step:
            return  # this batch's gradients are accumulated
        self._step = trainer.global_step
        if self.method == "ema":
            weight_of_step = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        else:
            weight_of_step = 1 / (self.count + 1)
        if self.method == "ema" or trainer.current_epoch >= self.start:
            self.count += 1
        with torch.no_grad():
            for mean, weight in zip(self.other, module.parameters(), strict=True):
                mean.lerp_(weight, weight_of_step)

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.other:  # empty before training starts and outside a fit
            self._swap(module, averaged=True)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._swap(module, averaged=True)

    def state_dict(self) -> dict[str, Any]:
        return {"other": self.other, "averaged": self.averaged, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)

    def _swap(self, module: L.LightningModule, averaged: bool) -> None:
        """Give the module the average (True) or the current weights (False)."""
        if averaged == self.averaged:
            return
        with torch.no_grad():
            for other, weight in zip(self.other, module.parameters(), strict=True):
                previous = weight.clone()
                weight.copy_(other)
                other.copy_(previous)
        self.averaged = averaged
