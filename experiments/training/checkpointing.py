"""The checkpoint from which an interrupted run goes on as if it had not been interrupted."""

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
_FORMAT = 3  # of what is kept here beside Lightning's own


class ResumeCheckpoint(Checkpoint):
    """Keeps `resume.ckpt`, from which an interrupted run goes on in the middle of an epoch.

    Written after every epoch, every so many minutes, and when SIGTERM, SIGINT or SIGUSR1 asks the
    run to stop; the handler only sets a flag, and the end of the batch acts on it, or the end of
    the epoch where that batch was its last. A `Checkpoint`, so that Lightning calls it after early
    stopping and the choice of the best epoch, whose states it must hold; list it last.

    The states of the random generators are kept too, so that a run draws the same dropout whether
    it was interrupted or not, and the sums behind an epoch's training metrics. Each rank has its
    own. All ranks stop at the same step, whichever was asked.

    Args:
        folder: the run's folder.
        minutes: longest time between two checkpoints.
        identity: what the checkpoint belongs to (config and corpus).
        stop: knows whether the run was asked to stop.

    Attributes:
        last_step: the step of the checkpoint in the file; None where there is none.
        before_saving: called before a checkpoint is written.
    """

    def __init__(self, folder: Path, minutes: float, identity: str, stop: StopRequest) -> None:
        self.file, self.seconds, self.stop = folder / RESUME_FILE, minutes * 60, stop
        self.identity = f"{identity} {_FORMAT}"
        self.last_step: int | None = None
        self.before_saving: Callable[[], None] = lambda: None
        self._saved = time.monotonic()
        self._between_epochs = False
        self._random: dict[str, Any] | None = None  # to be set before the first batch
        self._leaving: Stopped | None = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.stop.install()  # Lightning has put its own handler in its place
        self.stop.stepping = True
        loader: Any = trainer.train_dataloader
        if self._random is not None and loader is not None:
            # Not before: opening the loader draws. Not later: a batch may be cut at random.
            loader.sampler.before_first = lambda: self._restore_random(loader)
        elif not ranks.is_rank_zero():
            # Else all ranks, seeded alike to build one model, would drop the same units.
            torch.manual_seed(torch.initial_seed() + ranks.current().number)
        for early in trainer.early_stopping_callbacks:
            if early.wait_count >= early.patience:  # it had ended; Lightning would go on
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
            return  # validation comes first: a start from here would skip it
        if (batch_idx + 1) % (trainer.val_check_batch or 1) == 0:
            return  # the same, within an epoch
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # gradients that wait for their step are in no checkpoint
        due = time.monotonic() - self._saved >= self.seconds
        asked, save = ranks.all_reduce_max(self.stop.asked or 0, due)
        if asked or save:
            self._save(trainer, asked)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        [asked] = ranks.all_reduce_max(self.stop.asked or 0)
        self._between_epochs = True
        self._save(trainer, asked)
        self._between_epochs = False

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._leave()

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: TextBatch, batch_idx: int
    ) -> None:
        self._leave()

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
        own = {"random": _random_state(), "metrics": _metric_states(module)}
        checkpoint["identity"] = self.identity
        checkpoint["ranks"] = ranks.all_gather(own)
        checkpoint["between_epochs"] = self._between_epochs

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if len(checkpoint["ranks"]) != ranks.current().world:
            return  # it goes on with another number of processes, which draw anew
        own = checkpoint["ranks"][ranks.current().number]
        self._random = own["random"] | {"between_epochs": checkpoint["between_epochs"]}
        if not checkpoint["between_epochs"]:
            _set_metric_states(module, own["metrics"])

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

    def _leave(self) -> None:
        """Stops after what was done last has been logged, which Lightning does after its hooks."""
        if self._leaving is not None:
            raise self._leaving

    def _restore_random(self, loader: Any) -> None:
        if self._random is None:
            return
        _set_random_state(self._random)
        if self._random["between_epochs"]:
            iter(loader)  # opening it draws a number, which came too early here
        self._random = None

    def _save(self, trainer: L.Trainer, asked: int) -> None:
        self.before_saving()
        fault_point("checkpoint")
        trainer.save_checkpoint(self.file)
        fault_point("checkpoint")
        self._saved, self.last_step = time.monotonic(), trainer.global_step
        if asked:
            self._leaving = Stopped(asked, f"at step {trainer.global_step}")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints under a temporary name beside their own, so that each is whole or absent.

    Lightning's own writes into the system's temporary folder, mostly another file system, from
    where no rename leads.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: as raised by the file system; what lay at `path` is still there.
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
        except RuntimeError as error:  # torch's writer at a full disk, as it closes the archive
            full = error.__context__ if isinstance(error.__context__, OSError) else None
            raise full or OSError(errno.EIO, f"{error}", str(path)) from error
        finally:
            temporary.unlink(missing_ok=True)


def _random_state() -> dict[str, Any]:
    """The states of all generators, in types that a checkpoint without pickle may hold."""
    version, numbers, gauss = random.getstate()
    state: Any = np.random.get_state(legacy=True)
    name, keys, *rest = state
    return {
        "python": (version, torch.tensor(numbers), gauss),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():  # else it goes on on another machine
        torch.cuda.set_rng_state_all(state["cuda"])


def _train_metrics(module: L.LightningModule) -> dict[str, Metric]:
    found = {name: part for name, part in module.named_children() if name.startswith("train_")}
    return {name: metric for name, metric in found.items() if isinstance(metric, Metric)}


def _metric_states(module: L.LightningModule) -> dict[str, dict[str, Any]]:
    """What an epoch's training metrics have added up so far."""
    found: dict[str, dict[str, Any]] = {}
    for name, metric in _train_metrics(module).items():
        state: dict[str, Any] = metric.metric_state
        found[name] = {key: value.detach().cpu() for key, value in state.items()}
    return found


def _set_metric_states(module: L.LightningModule, states: dict[str, dict[str, Any]]) -> None:
    for name, metric in _train_metrics(module).items():
        for key, value in states[name].items():
            setattr(metric, key, value.to(metric.device))
        metric._update_count = 1  # else it warns that it was never updated
