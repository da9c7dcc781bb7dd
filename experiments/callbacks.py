"""What watches a run: the clock, the resumable checkpoint, the progress told to the benchmark."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

from datamodules.batching import TextBatch
from datamodules.faults import fault_point

RESUME_FILE = "resume.ckpt"


class Stopped(Exception):
    """The run was asked to stop and left a checkpoint from which it goes on."""


class Clock(Callback):
    """Measures training alone: set-up and validation, with what hangs on them, stand outside.

    Attributes:
        train_seconds: time within epochs, from the first batch asked for to the last step done.
        wait_seconds: the share of it in which the trainer waited for data.
        steps: optimiser steps taken.
        tokens: real tokens in them, padding not counted.
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
            "tokens": int(self.tokens),
            "history": [dict(epoch) for epoch in self.history],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)

    def _resume(self) -> None:
        _synchronise()
        self._since = self._ready = time.perf_counter()

    def _pause(self) -> None:
        if self._since is not None:
            _synchronise()
            self.train_seconds += time.perf_counter() - self._since
            self._since = None


class Resumable(Checkpoint):
    """Keeps `resume.ckpt`, from which an interrupted run goes on in the middle of an epoch.

    Written after every epoch, every so many minutes, and when SIGTERM, SIGINT or SIGUSR1 asks the
    run to stop; the handler only sets a flag, and the end of the batch acts on it, or the end of
    the epoch where that batch was its last. A `Checkpoint`, so that Lightning calls it after early
    stopping and the choice of the best epoch, whose states it must hold; list it last.

    The states of the random generators are kept too, so that a run draws the same dropout whether
    it was interrupted or not.

    Args:
        folder: the run's folder.
        minutes: longest time between two checkpoints.
        identity: what the checkpoint belongs to (config and corpus).
    """

    def __init__(self, folder: Path, minutes: float, identity: str) -> None:
        self.file, self.seconds, self.identity = folder / RESUME_FILE, minutes * 60, identity
        self._asked: signal.Signals | None = None
        self._saved = time.monotonic()
        self._before: dict[signal.Signals, Any] = {}
        self._between_epochs = False
        self._random: dict[str, Any] | None = None  # to be set before the first batch

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            self._before[name] = signal.signal(name, self._ask)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        for early in trainer.early_stopping_callbacks:
            if early.wait_count >= early.patience:  # it had ended; Lightning would go on
                trainer.should_stop = True

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: TextBatch, batch_idx: int
    ) -> None:
        if self._random is None:
            return
        _set_random_state(self._random)
        if self._random["between_epochs"]:
            loader: Any = trainer.train_dataloader
            iter(loader)  # opening it draws a number, which came too early here
        self._random = None

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # validation comes first: a start from here would skip it
        if self._asked is not None or time.monotonic() - self._saved >= self.seconds:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._between_epochs = True
        self._save(trainer)
        self._between_epochs = False

    def state_dict(self) -> dict[str, Any]:
        return _random_state() | {"between_epochs": self._between_epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._random = state_dict

    def teardown(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["identity"] = self.identity

    def resumes(self) -> bool:
        """Whether there is a checkpoint of this very run; that of another one is removed."""
        if not self.file.exists():
            return False
        state = torch.load(self.file, map_location="cpu", weights_only=True, mmap=True)
        if state.get("identity") == self.identity:
            return True
        self.file.unlink()
        return False

    def _ask(self, number: int, frame: Any) -> None:
        if self._asked is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: do not wait for the batch
        self._asked = signal.Signals(number)

    def _save(self, trainer: L.Trainer) -> None:
        temporary = self.file.with_name(f".{self.file.name}")
        fault_point("checkpoint")
        trainer.save_checkpoint(temporary)
        fault_point("checkpoint")
        temporary.rename(self.file)
        fault_point("checkpoint")
        self._saved = time.monotonic()
        if self._asked is not None:
            raise Stopped(f"{self._asked.name} at step {trainer.global_step}")


class StopAfter(Callback):
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


class Progress(Callback):
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


def _random_state() -> dict[str, Any]:
    """The states of all generators, in types that a checkpoint without pickle may hold."""
    state: Any = np.random.get_state(legacy=True)
    name, keys, *rest = state
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():  # else it goes on on another machine
        torch.cuda.set_rng_state_all(state["cuda"])


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
