"""Fits and predictions that are measured; steps do all that those of a run do."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import lightning as L
import numpy as np
import torch

from datamodules.store.batching import TextLoader
from datamodules.text import TextDataModule
from experiments.config.resolved import Resolved
from experiments.speed.operations import positions_of, tokens_of
from experiments.speed.steps import Reader, StepProfiler
from experiments.training import wandb_run
from experiments.training.callbacks import ProgressCallback, TrainingTimer
from experiments.training.devices import devices_of, resolve_precision
from lit_models.base.model import LitModel


class Round(NamedTuple):
    """Training steps that were measured.

    Attributes:
        seconds: Their time, from fetching the first batch to the end of the last step.
        batches: What they read, on the device.
        profiler: Clock of their parts.
        history: Metrics of the epoch.
    """

    seconds: float
    batches: list[Any]
    profiler: StepProfiler
    history: dict[str, Any]


class Fitting:
    """Fits of a model, one after the other, without validation.

    The steps do what those of a run do: metrics, W&B, clock and progress. Work between epochs
    (validation, checkpoints, early stopping) is left out, since it is not part of the clock.

    Args:
        resolved: Settings; `build_and_setup` is called before the first fit.
        experiment: Name for W&B.
        folder: For the files of the fits.
    """

    trainer: L.Trainer

    def __init__(self, resolved: Resolved, experiment: str, folder: Path) -> None:
        self.resolved, self.folder, self.experiment = resolved, folder, experiment
        self.device = devices_of(resolved)[0]
        setting = resolved.cli.config["trainer"].get("precision") or resolved.run.precision
        self.precision = resolve_precision(str(setting), self.device)

    @property
    def model(self) -> Any:
        """The model."""
        return self.resolved.cli.model

    @property
    def data(self) -> Any:
        """The datamodule, set up."""
        return self.resolved.cli.datamodule

    @property
    def dtype(self) -> torch.dtype:
        """Type of the numbers of matrix products."""
        if self.precision.startswith(("32", "64")):
            return torch.float32 if self.precision.startswith("32") else torch.float64
        return torch.bfloat16 if "bf16" in self.precision else torch.float16

    def __enter__(self) -> Self:
        self.logger = wandb_run.start(
            self.resolved, self.folder, self.experiment, "speed", ["speed"]
        )
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        wandb_run.finish(self.logger, 0 if kind is None else 1)

    def warm_up(self, steps: int, rows: int = 0) -> None:
        """Train for some steps, in which kernels are chosen, memory is allocated.

        Args:
            steps: Fewest steps.
            rows: Those of the rounds that follow, whose batches are all read once: oneDNN makes a
                kernel for each width of a batch.
        """
        if steps := max(steps, self._batches(rows)):
            self._fit([], max_steps=steps, max_epochs=-1)

    def train(self, rows: int, synchronised: bool = False) -> Round:
        """Train for an epoch, or on some of its rows.

        Args:
            rows: Most rows, rounded up to whole batches.
            synchronised: Wait for the device between the parts of a step.
        """
        clock, reader, profiler = TrainingTimer(), Reader(), StepProfiler(synchronised)
        self._fit(
            [clock, reader, ProgressCallback(lambda what, share: None)],
            max_epochs=1,
            max_steps=-1,
            limit_train_batches=self._batches(rows),
            profiler=profiler,
        )
        return Round(clock.train_seconds, reader.batches, profiler, clock.history[-1])

    def _batches(self, rows: int) -> int:
        """Batches of an epoch, or of some of its rows."""
        return min(-(-rows // self.data.batch_size), len(self.data.train_dataloader()))

    def fit(self) -> float:
        """Fit for all epochs that are set, and before the first step; the seconds that it took."""
        started = time.perf_counter()
        self._fit([])
        return time.perf_counter() - started

    def _fit(self, callbacks: list[Any], **settings: Any) -> None:
        self.trainer = self.resolved.cli.make_trainer(
            callbacks=callbacks,
            limit_val_batches=0,
            min_epochs=None,
            min_steps=None,
            max_time=None,
            enable_checkpointing=False,
            logger=self.logger or False,
            default_root_dir=self.folder,
            precision=self.precision,
            **settings,
        )
        self.resolved.cli.trainer = self.trainer
        self.trainer.fit(self.model, datamodule=self.data)


def time_prediction(
    trainer: L.Trainer, model: LitModel, data: TextDataModule, rows: int, rounds: int
) -> dict[str, Any]:
    """Predict validation batches of all lengths in rounds, after one that is not measured.

    Args:
        trainer: Its device and precision are used.
        model: Fitted.
        data: Set up.
        rows: Most rows of a round, rounded up to whole batches.
        rounds: Number of rounds.

    Returns:
        The median `seconds` of a round, the `rounds`, `tokens_per_second` of real tokens,
        `reviews_per_second`, `padding_share`; and the `batches`.
    """
    device = trainer.strategy.root_device
    batches = [
        model.transfer_batch_to_device(batch, device, 0)
        for batch in _some(data.loader("val"), -(-rows // data.eval_batch_size))
    ]
    model.to(device).eval()
    seconds = []
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for _ in range(1 + rounds):
            _synchronise(device)
            started = time.perf_counter()
            for batch in batches:
                model.predict_step(batch)
            _synchronise(device)
            seconds.append(time.perf_counter() - started)
    model.train()
    median, tokens = statistics.median(seconds[1:]), tokens_of(batches)
    count = sum(len(batch.lengths) for batch in batches)
    return {
        "seconds": median,
        "rounds": seconds[1:],
        "reviews": count,
        "tokens_per_second": tokens / median,
        "reviews_per_second": count / median,
        "padding_share": 1 - tokens / sum(map(positions_of, batches)),
        "batches": batches,
    }


def _some(loader: TextLoader, count: int) -> list[Any]:
    """Select batches of all lengths; the loader has the longest first."""
    items = list(loader.sampler.items())
    count = min(count, len(items))
    chosen = ((np.arange(count) + 0.5) * len(items) / count).astype(int)
    return [loader.dataset[items[number]] for number in chosen]


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
