"""Fitting: once to choose the epoch on validation; under `refit` once more on all of train."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.records.atomic import replace_bytes
from experiments.training import ranks
from experiments.training.callbacks import (
    NonFiniteGuard,
    ProgressCallback,
    StopAfterEpochs,
    TrainingTimer,
)
from experiments.training.checkpointing import AtomicCheckpointIO, ResumeCheckpoint
from experiments.training.measure import resolve_precision
from experiments.training.signals import handle_signals
from lit_models.base.classifier import LitClassifier

BEST_FILE = "best.ckpt"
SELECTION_FILE = "choice.json"

ProgressFn = Callable[[str, float], None]


@dataclass(frozen=True)
class Fit:
    """What one fit leaves for the row.

    Attributes:
        clock: steps, tokens, times and the history of its epochs.
        best_epoch: the epoch whose weights stayed, from 0; None where no epoch was trained.
        precision: what was used.
        prepare_seconds: what the model learnt before the first step took.
    """

    clock: TrainingTimer
    best_epoch: int | None
    precision: str
    prepare_seconds: float

    @property
    def seconds(self) -> float:
        """Time of learning alone."""
        return self.clock.train_seconds + self.prepare_seconds


def build_and_setup(resolved: Resolved) -> tuple[LitClassifier, TextDataModule]:
    """A fresh model and its data, opened; from the run's seed, whatever was drawn before.

    Raises:
        DataError: a corpus that cannot be used.
        ConfigError: a setting that cannot be used.
    """
    L.seed_everything(resolved.seed, verbose=False)
    model, data = resolved.build()
    data.prepare_data()
    data.setup()
    return model, data


def fit_and_choose(
    resolved: Resolved,
    folder: Path,
    logger: Any = None,
    tell: ProgressFn = lambda what, share: None,
) -> Fit:
    """Fits `resolved.cli.model` and leaves the weights of the best epoch in it.

    Goes on from the checkpoint in `folder`, if there is one of this very run.

    Raises:
        Stopped: a signal asked for a stop.
        FloatingPointError: the training loss or the metric that chooses is not finite.
        ConfigError: that metric is never logged.
    """
    run, model = resolved.run, resolved.cli.model
    best = ModelCheckpoint(
        dirpath=folder,
        filename=Path(BEST_FILE).stem,
        monitor=run.monitor,
        mode=run.mode,
        save_weights_only=True,
        enable_version_counter=False,
    )
    patience = EarlyStopping(run.monitor, patience=run.patience, mode=run.mode, check_finite=True)
    clock, precision = _fit(resolved, folder, [patience, best], logger, tell)
    _check_finite(clock, run.monitor, best)
    best_epoch = None
    if best.best_model_path:
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        resolved.cli.trainer.strategy.load_model_state_dict(state)
        best_epoch = int(state["epoch"])
    return Fit(clock, best_epoch, precision, model.prepare_seconds)


def refit(
    resolved: Resolved,
    folder: Path,
    best_epoch: int | None,
    logger: Any = None,
    tell: ProgressFn = lambda what, share: None,
) -> Fit:
    """Fits `resolved.cli.model` on all of train and leaves the weights of the last step in it.

    `max_epochs` stays what it was, so the learning rate falls as it did in the fit that chose, and
    training ends after the epoch chosen there. Nothing is validated: every row is learnt from.

    Args:
        resolved: from `Resolved.refitted`, built.
        folder: the run's folder; goes on from the checkpoint there, if it is of this very fit.
        best_epoch: what `fit_and_choose` chose; None fits a model without epochs.
        logger: where metrics go.
        tell: told how far it is.

    Raises:
        Stopped: a signal asked for a stop.
        FloatingPointError: the training loss is not finite.
    """
    epochs = None if best_epoch is None else best_epoch + 1
    stop: list[Callback] = [StopAfterEpochs(epochs)] if epochs else []
    # Only the number of epochs, which was chosen on validation, says when this fit ends.
    free = {"limit_val_batches": 0, "min_epochs": None, "min_steps": None, "max_time": None}
    clock, precision = _fit(resolved, folder, stop, logger, tell, epochs, **free)
    return Fit(clock, best_epoch, precision, resolved.cli.model.prepare_seconds)


def save_selection(folder: Path, identity: str, fit: Fit) -> None:
    """Writes down what the first of two fits chose, so that it is never fitted again."""
    content = {
        "identity": identity,
        "best_epoch": fit.best_epoch,
        "precision": fit.precision,
        "prepare_seconds": fit.prepare_seconds,
        "clock": fit.clock.state_dict(),
    }
    if ranks.is_rank_zero():
        replace_bytes(folder / SELECTION_FILE, json.dumps(content).encode())


def load_selection(folder: Path, identity: str) -> Fit | None:
    """What `save_selection` wrote for this very run, or None."""
    file = folder / SELECTION_FILE
    if not file.exists():
        return None
    content = json.loads(file.read_bytes())
    if content["identity"] != identity:
        return None
    clock = TrainingTimer()
    clock.load_state_dict(content["clock"])
    names = ("best_epoch", "precision", "prepare_seconds")
    return Fit(clock, **{name: content[name] for name in names})


def identity_of(resolved: Resolved) -> str:
    """What a checkpoint of this fit belongs to: settings and corpus."""
    return f"{resolved.hash} {resolved.cli.datamodule.store.meta['fingerprint']}"


def _fit(
    resolved: Resolved,
    folder: Path,
    stopping_callbacks: list[Callback],
    logger: Any,
    tell: ProgressFn,
    epochs: int | None = None,
    **settings: Any,
) -> tuple[TrainingTimer, str]:
    """One fit, resumed where a checkpoint of it lies; `stopping_callbacks` says when it ends."""
    cli, run = resolved.cli, resolved.run
    clock = TrainingTimer()
    own = {name: _listed(cli.config_init["trainer"].get(name)) for name in ("callbacks", "plugins")}
    precision = cli.config["trainer"].get("precision") or resolve_precision(run.precision)
    with handle_signals() as stop:
        resumable = ResumeCheckpoint(folder, run.checkpoint_minutes, identity_of(resolved), stop)
        resume = resumable.file if resumable.resumes() else None
        watching = [clock, NonFiniteGuard(resumable), ProgressCallback(tell, epochs)]
        cli.trainer = trainer = cli.make_trainer(
            callbacks=[*watching, *own["callbacks"], *stopping_callbacks, resumable],
            plugins=[*own["plugins"], ranks.Processes(), AtomicCheckpointIO()],
            logger=logger or False,
            precision=precision,
            default_root_dir=folder,
            **settings,
        )
        trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=resume, weights_only=True)
    return clock, str(trainer.precision)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _check_finite(clock: TrainingTimer, monitor: str, best: ModelCheckpoint) -> None:
    for epoch in clock.history:
        value = epoch.get(monitor, 0.0)
        if value is None or not math.isfinite(value):
            raise FloatingPointError(
                f"{monitor} is {value} in the epoch counted {epoch['epoch']} (from 0); lower "
                "--model.learning_rate or set --model.gradient_clip_norm"
            )
    if clock.history and not best.best_model_path:
        raise ConfigError(f"run.monitor {monitor!r} was never logged; name a validation metric")
