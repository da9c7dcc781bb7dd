"""Times of a fit that is no run: nothing is evaluated, so it is neither a trial nor a look."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback

from experiments.config.resolved import Resolved
from experiments.machine.environment import hardware, peak_memory_bytes, versions
from experiments.training.devices import devices_of
from experiments.training.fitting import build_and_setup, fit_blindly
from experiments.training.measure import latency, throughput


def prepare_times(resolved: Resolved) -> None:
    """Read and tokenise the corpus and learn the word vectors, so that the fit finds them cached.

    Raises:
        DataError: a corpus that cannot be used.
    """
    _, data = build_and_setup(resolved)
    data.word_vectors()


def measure_times(resolved: Resolved, folder: Path, epochs: int, seconds: float) -> dict[str, Any]:
    """Fit on the train part without validation, and measure what it takes.

    The fit ends after some epochs or some seconds of steps, whichever comes first, so that the
    time of an epoch may be that of a part of one, whose batches are a random draw.

    Args:
        resolved: settings of the run, built here.
        folder: for the files of the fit.
        epochs: most epochs to train.
        seconds: time of steps after which training ends.

    Returns:
        What `experiments.records.times.Times` says of the fit.

    Raises:
        FloatingPointError: the training loss is not finite.
    """
    build_and_setup(resolved)
    part = EpochShare(epochs, seconds)
    fit = fit_blindly(resolved, folder, [part])
    memory = peak_memory_bytes()  # before `throughput` predicts in large batches
    cli = resolved.cli
    milliseconds = latency(cli.trainer, cli.model, cli.datamodule)
    reviews_per_second, best_batch_size = throughput(cli.trainer, cli.model, cli.datamodule)
    return {
        "corpus_fingerprint": cli.datamodule.fingerprint,
        "prepare_seconds": fit.prepare_seconds,
        "vectors_seconds": fit.vectors_seconds,
        "seconds_per_epoch": fit.clock.train_seconds / part.epochs if part.epochs else None,
        "measured_epochs": part.epochs,
        "peak_memory_bytes": memory,
        "latency_ms_p50": float(np.percentile(milliseconds, 50)),
        "latency_ms_p95": float(np.percentile(milliseconds, 95)),
        "reviews_per_second": reviews_per_second,
        "best_batch_size": best_batch_size,
        "precision": fit.precision,
        "hardware": hardware(devices_of(resolved)),
        "versions": versions(),
    }


class EpochShare(Callback):
    """Ends training after some epochs or seconds, and counts the epochs, parts of one too.

    Args:
        most: most epochs.
        seconds: training ends with the first step after that time.

    Attributes:
        epochs: epochs trained, for example 0.25.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.epochs = 0.0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.epochs = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
        if self.epochs >= self.most or time.monotonic() - self._started > self.seconds:
            trainer.should_stop = True
