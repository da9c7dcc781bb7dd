"""What watches a run: the clock, the progress told to the benchmark, losses that are not finite."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from datamodules.faults import fault_point
from datamodules.store.batching import TextBatch
from experiments.training import ranks
from experiments.training.checkpointing import ResumeCheckpoint

_CHECK_EVERY = 50  # steps between two looks at a card's losses: each look waits for it


class TrainingTimer(Callback):
    """Measures training alone: set-up and validation, with what hangs on them, stand outside.

    Attributes:
        train_seconds: time within epochs, from the first batch asked for to the last step done.
        wait_seconds: the share of it in which the trainer waited for data.
        steps: optimiser steps taken.
        tokens: real tokens in them on this rank, padding not counted.
        history: per epoch: its number, the metrics logged for it, `seconds` since the start.
    """

    def __init__(self) -> None:
        self.train_seconds = self.wait_seconds = 0.0
        self.steps = 0
        self.tokens: int | torch.Tensor = 0  # a tensor on a card: reading it each step would wait
        self.history: list[dict[str, float | None]] = []
        self._since: float | None = None
        self._ready = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        fault_point("epoch")
        self._resume()

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: TextBatch, batch_idx: int
    ) -> None:
        if self._since is None:  # after validation within an epoch, or a start in the middle of one
            self._resume()
        self.wait_seconds += time.perf_counter() - self._ready

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        self.steps += 1
        self.tokens = self.tokens + batch.lengths.sum()
        self._ready = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._pause()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        fault_point("epoch")
        self._pause()
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if "_step" not in k}
        self.history.append(
            {"epoch": float(trainer.current_epoch), **values, "seconds": self.train_seconds}
        )

    def on_exception(
        self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException
    ) -> None:
        self._pause()

    def state_dict(self) -> dict[str, Any]:
        running = time.perf_counter() - self._since if self._since is not None else 0.0
        return {
            "train_seconds": self.train_seconds + running,
            "wait_seconds": self.wait_seconds,
            "steps": self.steps,
            "tokens": self.all_tokens(),
            "history": [dict(epoch) for epoch in self.history],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)
        if not ranks.is_rank_zero():
            self.tokens = 0  # the first has those of all

    def all_tokens(self) -> int:
        """The tokens of all ranks; each of them must ask."""
        return sum(ranks.all_gather(int(self.tokens)))

    def _resume(self) -> None:
        _synchronise()
        self._since = self._ready = time.perf_counter()

    def _pause(self) -> None:
        if self._since is not None:
            _synchronise()
            self.train_seconds += time.perf_counter() - self._since
            self._since = None


class StopAfterEpochs(Callback):
    """Ends training after some epochs, whatever the schedule was laid out for.

    Args:
        epochs: how many are trained.
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
    """Tells how far the run is.

    Args:
        tell: called with (what is going on, share done from 0 to 1).
        epochs: how many there will be at most; None: as many as the trainer says.
    """

    def __init__(self, tell: Callable[[str, float], None], epochs: int | None = None) -> None:
        self.tell, self.epochs = tell, epochs
        self._told = 0.0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        if time.monotonic() - self._told < 0.2:
            return
        self._told = time.monotonic()
        epochs = max(1, self.epochs or trainer.max_epochs or 1)
        share = (batch_idx + 1) / max(1, trainer.num_training_batches)
        score = trainer.callback_metrics.get("val/accuracy")
        said = f", val {float(score):.1%}" if score is not None else ""
        what = f"epoch {trainer.current_epoch + 1}/{epochs}{said}"
        self.tell(what, (trainer.current_epoch + share) / epochs)


class NonFiniteGuard(Callback):
    """Stops a run whose loss is no finite number, and says at which step and learning rate.

    On a card the losses stay there, and are looked at every so many steps and before a checkpoint
    is written, so that none is written after the loss went astray.

    Args:
        resumable: knows the last checkpoint.
    """

    def __init__(self, resumable: ResumeCheckpoint) -> None:
        self.resumable = resumable
        resumable.before_saving = self.check
        self._seen: list[tuple[int, float, torch.Tensor]] = []  # step, learning rate, loss

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
        # On several processes this one's loss may be finite while another's is not.
        loss: Any = module.step_loss if trainer.world_size > 1 else outputs["loss"]
        self._seen.append((trainer.global_step, self._rate, loss))
        if loss.device.type == "cpu" or len(self._seen) >= _CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Looks at the losses since the last look.

        Raises:
            FloatingPointError: one of them is not finite.
        """
        seen, self._seen = self._seen, []
        if not seen or bool(torch.isfinite(torch.stack([loss for _, _, loss in seen])).all()):
            return
        step, rate, loss = next(one for one in seen if not torch.isfinite(one[2]))
        kept = self.resumable.last_step
        good = f"the last good checkpoint is {self.resumable.file}, of step {kept}"
        raise FloatingPointError(
            f"train/loss is {float(loss)} at step {step} (learning rate {rate:.3g}); "
            f"{good if kept is not None else 'no checkpoint was written before it'}; lower "
            "--model.learning_rate or set --model.gradient_clip_norm"
        )


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
