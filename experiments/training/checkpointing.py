"""Checkpoint of an interrupted run, which resumes with the results of an uninterrupted one."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from torchmetrics import Metric

from datamodules.faults import fault_point
from datamodules.store.batching import TextBatch
from experiments.training import ranks
from experiments.training.signals import Stopped, StopRequest

RESUME_FILE = "resume.ckpt"
_FORMAT = 3  # of the entries added here to Lightning's checkpoint


class ResumeCheckpoint(Checkpoint):
    """Writes `resume.ckpt`, from which an interrupted run resumes, also in the middle of an epoch.

    It is written after every epoch, at a given interval, and when SIGTERM, SIGINT or SIGUSR1 asks
    the run to stop: the signal handler only sets a flag, which is read at the end of the batch, or
    at the end of the epoch if that batch was its last. The class is a `Checkpoint`, so that
    Lightning calls it after early stopping and the choice of the best epoch, whose states it must
    save; list it last.

    The checkpoint also holds the states of the random generators, so that a resumed run draws the
    same dropout masks as an uninterrupted one, and the running sums of the epoch's training
    metrics; both are saved for each rank. All ranks stop at the same step, whichever received the
    signal.

    Args:
        folder: the run's folder.
        minutes: longest time between two checkpoints.
        identity: identifies the config and the corpus that the checkpoint belongs to.
        stop: the request to stop the run.

    Attributes:
        last_step: global step of the checkpoint in the file; None if there is none.
        before_saving: called before a checkpoint is written.
    """

    def __init__(self, folder: Path, minutes: float, identity: str, stop: StopRequest) -> None:
        self.file, self.seconds, self.stop = folder / RESUME_FILE, minutes * 60, stop
        self.identity = f"{identity} {_FORMAT}"
        self.last_step: int | None = None
        self.before_saving: Callable[[], None] = lambda: None
        self._saved_at = time.monotonic()
        self._between_epochs = False
        self._random: dict[str, Any] | None = None  # restored before the first batch
        self._stopped: Stopped | None = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.stop.install()  # over the handlers that Lightning has set
        self.stop.stepping = True
        loader: Any = trainer.train_dataloader
        if self._random is not None and loader is not None:
            # Opening the loader draws random numbers, and so may the truncation of a batch.
            loader.sampler.before_first = lambda: self._restore_random(loader)
        elif not ranks.is_rank_zero():
            # All ranks share a seed, to build the same model, and would drop the same units.
            torch.manual_seed(torch.initial_seed() + ranks.current().number)
        for early in trainer.early_stopping_callbacks:
            if early.wait_count >= early.patience:  # already stopped; Lightning would train on
                trainer.should_stop = True

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
    ) -> None:
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # validation follows, which a run resumed from here would skip
        if (batch_idx + 1) % (trainer.val_check_batch or 1) == 0:
            return  # validation within the epoch follows
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # accumulated gradients are not part of a checkpoint
        due = time.monotonic() - self._saved_at >= self.seconds
        number, save = ranks.all_reduce_max(self.stop.signal or 0, due)
        if number or save:
            self._save(trainer, number)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        [number] = ranks.all_reduce_max(self.stop.signal or 0)
        self._between_epochs = True
        self._save(trainer, number)
        self._between_epochs = False

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._raise_if_stopped()

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: TextBatch, batch_idx: int
    ) -> None:
        self._raise_if_stopped()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.stop.stepping = False

    def on_exception(
        self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException
    ) -> None:
        self.stop.stepping = False

    def on_predict_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.stop.install()

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = {"random": _random_state(), "metrics": _metric_states(module)}
        checkpoint["identity"] = self.identity
        checkpoint["ranks"] = ranks.all_gather(state)
        checkpoint["between_epochs"] = self._between_epochs

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if len(checkpoint["ranks"]) != ranks.current().world_size:
            return  # resumed on another number of processes, which draw new random numbers
        state = checkpoint["ranks"][ranks.current().number]
        self._random = state["random"] | {"between_epochs": checkpoint["between_epochs"]}
        if not checkpoint["between_epochs"]:
            _set_metric_states(module, state["metrics"])

    def resumes(self) -> bool:
        """Whether there is a checkpoint of this very run. Collective.

        A checkpoint of other settings is removed; one of an older format, whose callbacks had
        other names, is kept under another name.
        """
        step = None
        if ranks.is_rank_zero() and self.file.exists():
            state = torch.load(self.file, map_location="cpu", weights_only=True, mmap=True)
            identity = str(state.get("identity"))
            number = identity.rpartition(" ")[2]
            if identity == self.identity:
                step = state["global_step"]
            elif number != str(_FORMAT):
                kept = self.file.with_name(f"resume-format-{number}.ckpt")
                self.file.replace(kept)
                print(
                    f"{self.file} has format {number}, and this version resumes from {_FORMAT}: it "
                    f"is kept as {kept.name}, from which the version that wrote it can go on, and "
                    "the run starts anew",
                    flush=True,
                )
            else:
                self.file.unlink()
        self.last_step = ranks.broadcast(step)
        return self.last_step is not None

    def _raise_if_stopped(self) -> None:
        """Stops the run in the next hook, once Lightning has logged the last batch."""
        if self._stopped is not None:
            raise self._stopped

    def _restore_random(self, loader: Any) -> None:
        if self._random is None:
            return
        _set_random_state(self._random)
        if self._random["between_epochs"]:
            iter(loader)  # draws the number that the loader drew before the states were restored
        self._random = None

    def _save(self, trainer: L.Trainer, number: int) -> None:
        """Saves a checkpoint; `number` is the signal that stops the run, or 0."""
        self.before_saving()
        fault_point("checkpoint")
        trainer.save_checkpoint(self.file)
        fault_point("checkpoint")
        self._saved_at, self.last_step = time.monotonic(), trainer.global_step
        if number:
            self._stopped = Stopped(number, f"at step {trainer.global_step}")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file in the same folder and renames it.

    Lightning writes to the system's temporary folder, often on another file system, from which a
    file cannot be renamed atomically.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: from the file system; the earlier file at `path` is left as it was.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as stream:
                torch.save(checkpoint, stream)
                stream.flush()
                os.fsync(stream.fileno())
            fault_point("checkpoint")
            temporary.replace(path)
        except (
            RuntimeError
        ) as error:  # from torch's writer, which closes the archive on a full disk
            full = error.__context__ if isinstance(error.__context__, OSError) else None
            raise full or OSError(errno.EIO, f"{error}", str(path)) from error
        finally:
            temporary.unlink(missing_ok=True)


def _random_state() -> dict[str, Any]:
    """States of all random generators, in types that `torch.load(weights_only=True)` accepts."""
    version, numbers, gauss = random.getstate()
    state: Any = np.random.get_state(legacy=True)
    name, keys, *rest = state
    return {
        "python": (version, torch.tensor(numbers), gauss),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():  # otherwise resumed on another machine
        torch.cuda.set_rng_state_all(state["cuda"])


def _train_metrics(module: L.LightningModule) -> dict[str, Metric]:
    children = {name: part for name, part in module.named_children() if name.startswith("train_")}
    return {name: metric for name, metric in children.items() if isinstance(metric, Metric)}


def _metric_states(module: L.LightningModule) -> dict[str, dict[str, Any]]:
    """Running sums of the epoch's training metrics."""
    states: dict[str, dict[str, Any]] = {}
    for name, metric in _train_metrics(module).items():
        state: dict[str, Any] = metric.metric_state
        states[name] = {key: value.detach().cpu() for key, value in state.items()}
    return states


def _set_metric_states(module: L.LightningModule, states: dict[str, dict[str, Any]]) -> None:
    for name, metric in _train_metrics(module).items():
        for key, value in states[name].items():
            setattr(metric, key, value.to(metric.device))
        metric._update_count = 1  # without it, compute() warns of a missing update
