"""Callbacks of a run: training time, progress, the number of epochs, losses that are not finite."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from datamodules.faults import fault_point
from datamodules.halts import RunningClock
from datamodules.store.batching import TextBatch
from experiments.machine.environment import now
from experiments.training import ranks
from experiments.training.checkpointing import ResumeCheckpoint

ProgressFn = Callable[[str, float], None]  # description, fraction done from 0 to 1

_CHECK_EVERY = 50  # steps between two checks of losses on a GPU, each of which synchronises


class TrainingTimer(Callback):
    """Measures training time, without set-up, validation and their callbacks.

    Attributes:
        running: the clock; within its block it pauses while the process is halted.
        started: ISO 8601 time at which the fit was started first, as a resumed one knows.
        train_seconds: seconds within epochs, from fetching the first batch to the last step.
        wait_seconds: seconds of these in which the trainer waited for data.
        steps: optimiser steps; each may accumulate the gradients of several batches.
        tokens: tokens in all batches on this rank, without padding.
        history: for each epoch its number, its logged metrics and `seconds` of training so far.
    """

    def __init__(self) -> None:
        self.running, self.started = RunningClock(), now()
        self.train_seconds = self.wait_seconds = 0.0
        self.steps = 0
        self.tokens: int | torch.Tensor = 0  # on a GPU a tensor: reading it would synchronise
        self.history: list[dict[str, float | None]] = []
        self._since: float | None = None
        self._ready = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        fault_point("epoch")
        self._resume(trainer)

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: TextBatch, batch_idx: int
    ) -> None:
        if self._since is None:  # after validation within an epoch, or resumed within one
            self._resume(trainer)
        self.wait_seconds += self.running.seconds() - self._ready

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        self.steps = trainer.global_step
        self.tokens = self.tokens + batch.lengths.sum()
        self._ready = self.running.seconds()

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._pause(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        fault_point("epoch")
        self._pause(trainer)
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if "_step" not in k}
        self.history.append(
            {"epoch": float(trainer.current_epoch), **values, "seconds": self.train_seconds}
        )

    def on_exception(
        self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException
    ) -> None:
        self._pause(trainer)

    def state_dict(self) -> dict[str, Any]:
        running = self.running.seconds() - self._since if self._since is not None else 0.0
        return {
            "started": self.started,
            "train_seconds": self.train_seconds + running,
            "wait_seconds": self.wait_seconds,
            "steps": self.steps,
            "tokens": self.all_tokens(),
            "history": [dict(epoch) for epoch in self.history],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)
        if not ranks.is_rank_zero():
            self.tokens = 0  # rank 0 holds the sum over all ranks

    def all_tokens(self) -> int:
        """Sums the tokens of all ranks. Collective."""
        return sum(ranks.all_gather(int(self.tokens)))

    def _resume(self, trainer: L.Trainer) -> None:
        _synchronise(trainer.strategy.root_device)
        self._since = self._ready = self.running.seconds()

    def _pause(self, trainer: L.Trainer) -> None:
        if self._since is not None:
            _synchronise(trainer.strategy.root_device)
            self.train_seconds += self.running.seconds() - self._since
            self._since = None


class StopAfterEpochs(Callback):
    """Ends training after a number of epochs, fewer than the learning-rate schedule is made for.

    Args:
        epochs: number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.current_epoch >= self.epochs:  # resumed after its last epoch
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True


class ProgressCallback(Callback):
    """Reports the progress of the run.

    Args:
        progress: called with a description and the fraction done, from 0 to 1.
        epochs: highest number of epochs; None: that of the trainer.
    """

    def __init__(self, progress: ProgressFn, epochs: int | None = None) -> None:
        self.progress, self.epochs = progress, epochs
        self._reported_at = 0.0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        if time.monotonic() - self._reported_at < 0.2:
            return
        self._reported_at = time.monotonic()
        epochs = max(1, self.epochs or trainer.max_epochs or 1)
        fraction = (batch_idx + 1) / max(1, trainer.num_training_batches)
        score = trainer.callback_metrics.get("val/accuracy")
        accuracy = f", val {float(score):.1%}" if score is not None else ""
        description = f"epoch {trainer.current_epoch + 1}/{epochs}{accuracy}"
        self.progress(description, (trainer.current_epoch + fraction) / epochs)


class NonFiniteGuard(Callback):
    """Fails the run with step and learning rate when the loss is not finite.

    On a GPU the losses are checked every 50 steps, and before a checkpoint is written, so that no
    checkpoint follows a loss that is not finite.

    Args:
        resumable: writer of the checkpoints.
    """

    def __init__(self, resumable: ResumeCheckpoint) -> None:
        self.resumable = resumable
        resumable.before_saving = self.check
        self._unchecked: list[tuple[int, float, torch.Tensor]] = []  # step, learning rate, loss

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: TextBatch, batch_idx: int
    ) -> None:
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        # The mean over all ranks: one rank's loss may be finite while another's is not.
        loss: Any = module.step_loss if trainer.world_size > 1 else outputs["loss"]
        self._unchecked.append((trainer.global_step, self._rate, loss))
        if loss.device.type == "cpu" or len(self._unchecked) >= _CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Checks the losses since the last check.

        Raises:
            FloatingPointError: one of them is not finite.
        """
        steps, self._unchecked = self._unchecked, []
        if not steps or bool(torch.isfinite(torch.stack([loss for _, _, loss in steps])).all()):
            return
        step, rate, loss = next(entry for entry in steps if not torch.isfinite(entry[2]))
        last = self.resumable.last_step
        good = f"the last good checkpoint is {self.resumable.file}, of step {last}"
        raise FloatingPointError(
            f"train/loss is {float(loss)} at step {step} (learning rate {rate:.3g}); "
            f"{good if last is not None else 'no checkpoint was written before it'}; lower "
            "--model.learning_rate or set --model.gradient_clip_norm"
        )


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
