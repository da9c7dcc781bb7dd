"""Fitting a model: once to choose the epoch on validation, and a refit on the whole train split."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.machine.allocator import keep_memory
from experiments.records.atomic import replace_bytes
from experiments.training import ranks
from experiments.training.callbacks import (
    NonFiniteGuard,
    ProgressCallback,
    ProgressFn,
    StopAfterEpochs,
    TrainingTimer,
)
from experiments.training.checkpointing import AtomicCheckpointIO, ResumeCheckpoint
from experiments.training.devices import devices_of, resolve_precision
from experiments.training.signals import handle_signals
from lit_models.base.classifier import LitClassifier
from lit_models.base.model import LitModel
from lit_models.tagging.model import LitTagger

BEST_FILE = "best.ckpt"
SELECTION_FILE = "choice.json"
_OF_FIT = ("best_epoch", "precision", "prepare_seconds", "vectors_seconds")


@dataclass(frozen=True)
class Fit:
    """Result of one fit.

    Attributes:
        clock: steps, tokens, times and the history of the epochs.
        best_epoch: epoch of the weights in the model, from 0; None for a model without epochs.
        precision: precision of the training.
        prepare_seconds: seconds of `LitClassifier.prepare` before the first step; of the whole fit
            for an estimator.
        vectors_seconds: seconds in which its word vectors were learnt, perhaps for another run;
            None without vectors.
    """

    clock: TrainingTimer
    best_epoch: int | None
    precision: str
    prepare_seconds: float
    vectors_seconds: float | None

    @property
    def seconds(self) -> float:
        """Seconds of training and of what the model learns before its first step."""
        return self.clock.train_seconds + self.prepare_seconds


def build_and_setup(resolved: Resolved) -> tuple[LitModel, TextDataModule]:
    """Seeds the random generators with the run's seed, then builds the model and opens its data.

    Raises:
        DataError: a corpus that cannot be used.
        ConfigError: a setting that cannot be used.
    """
    keep_memory()  # this process may be a worker, which no command has started
    L.seed_everything(resolved.seed, verbose=False)
    model, data = resolved.build()
    data.prepare_data()
    data.setup()
    return model, data


def fit_and_choose(
    resolved: Resolved,
    folder: Path,
    logger: Any = None,
    progress: ProgressFn = lambda description, fraction: None,
) -> Fit:
    """Fits `resolved.cli.model`; it ends with the weights of its best epoch on validation.

    Resumes from the checkpoint in `folder`, if that is one of this run.

    Raises:
        Stopped: a signal stopped the run.
        FloatingPointError: the training loss or the monitored metric is not finite.
        ConfigError: the monitored metric is never logged, or is undefined, or the model's class has
            a `validation_step` of its own.
    """
    run, model = resolved.run, resolved.cli.model
    _check_validation(type(model))
    best = ModelCheckpoint(
        dirpath=folder,
        filename=Path(BEST_FILE).stem,
        monitor=run.monitor,
        mode=run.mode,
        save_weights_only=True,
        enable_version_counter=False,
    )
    clock, precision = _fit(resolved, folder, [_patience(run), best], logger, progress)
    _check_finite(clock, run.monitor)
    if clock.history and not best.best_model_path:
        raise ConfigError(f"run.monitor {run.monitor!r} was never logged; name a validation metric")
    best_epoch = None
    if best.best_model_path:
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        resolved.cli.trainer.strategy.load_model_state_dict(state)
        best_epoch = int(state["epoch"])
    return _result(clock, best_epoch, precision, model)


def fit_epochs(
    resolved: Resolved,
    folder: Path,
    record: Callback,
    progress: ProgressFn = lambda description, fraction: None,
) -> Fit:
    """Fits `resolved.cli.model` and chooses no epoch: `record` sees the weights of each.

    Raises:
        As `fit_and_choose`.
    """
    run, model = resolved.run, resolved.cli.model
    clock, precision = _fit(resolved, folder, [record, _patience(run)], None, progress)
    _check_finite(clock, run.monitor)
    return _result(clock, None, precision, model)


def refit(
    resolved: Resolved,
    folder: Path,
    best_epoch: int | None,
    logger: Any = None,
    progress: ProgressFn = lambda description, fraction: None,
) -> Fit:
    """Fits `resolved.cli.model` on the whole train split, validation rows included.

    The model ends with the weights of the last step. `max_epochs` is that of `fit_and_choose`, so
    that the learning rate follows the same schedule; training ends after the epoch chosen there.

    Args:
        resolved: from `Resolved.refitted`, built.
        folder: the run's folder; resumes from the checkpoint there, if that is one of this fit.
        best_epoch: epoch that `fit_and_choose` chose; None for a model without epochs.
        logger: Lightning's logger of metrics.
        progress: called with a description and the fraction done.

    Raises:
        Stopped: a signal stopped the run.
        FloatingPointError: the training loss is not finite.
    """
    epochs = None if best_epoch is None else best_epoch + 1
    stop: list[Callback] = [StopAfterEpochs(epochs)] if epochs else []
    fit = fit_blindly(resolved, folder, stop, logger, progress, epochs)
    return replace(fit, best_epoch=best_epoch)


def fit_blindly(
    resolved: Resolved,
    folder: Path,
    stop: list[Callback],
    logger: Any = None,
    progress: ProgressFn = lambda description, fraction: None,
    epochs: int | None = None,
) -> Fit:
    """Fits `resolved.cli.model` without validation; `stop` alone ends it before `max_epochs`."""
    free = {"limit_val_batches": 0, "min_epochs": None, "min_steps": None, "max_time": None}
    clock, precision = _fit(resolved, folder, stop, logger, progress, epochs, **free)
    return _result(clock, None, precision, resolved.cli.model)


def _result(clock: TrainingTimer, best_epoch: int | None, precision: str, model: LitModel) -> Fit:
    return Fit(clock, best_epoch, precision, model.prepare_seconds, model.vectors_seconds)


def save_selection(folder: Path, identity: str, fit: Fit) -> None:
    """Writes the result of one of several fits, so that a resumed run does not repeat it."""
    content = {name: getattr(fit, name) for name in _OF_FIT}
    content |= {"identity": identity, "clock": fit.clock.state_dict()}
    if ranks.is_rank_zero():
        replace_bytes(folder / SELECTION_FILE, json.dumps(content).encode())


def load_selection(folder: Path, identity: str) -> Fit | None:
    """Reads what `save_selection` of this version wrote for this run; None if nothing did."""
    file = folder / SELECTION_FILE
    if not file.exists():
        return None
    content = json.loads(file.read_bytes())
    if content["identity"] != identity or not content.keys() >= set(_OF_FIT):
        return None
    clock = TrainingTimer()
    clock.load_state_dict(content["clock"])
    return Fit(clock, **{name: content[name] for name in _OF_FIT})


def identity_of(resolved: Resolved) -> str:
    """Identity of a fit in its checkpoints: settings, corpus and soft labels, if there are any."""
    data = resolved.cli.datamodule
    parts = [resolved.hash, data.store.meta["fingerprint"]]
    if getattr(data, "teacher", None) is not None:
        parts.append(data.soft_labels().head()["sha256"])
    return " ".join(parts)


def _fit(
    resolved: Resolved,
    folder: Path,
    stopping_callbacks: list[Callback],
    logger: Any,
    progress: ProgressFn,
    epochs: int | None = None,
    **settings: Any,
) -> tuple[TrainingTimer, str]:
    """Fits once, resuming from a checkpoint of this fit; `stopping_callbacks` end it."""
    cli, run = resolved.cli, resolved.run
    clock = TrainingTimer()
    trainer_settings = cli.config_init["trainer"]
    configured = {name: _listed(trainer_settings.get(name)) for name in ("callbacks", "plugins")}
    precision = cli.config["trainer"].get("precision") or resolve_precision(
        run.precision, devices_of(resolved)[0]
    )
    with handle_signals() as stop:
        resumable = ResumeCheckpoint(folder, run.checkpoint_minutes, identity_of(resolved), stop)
        resume = resumable.file if resumable.resumes() else None
        if resume is not None and ranks.is_rank_zero():
            print(f"resumed from {resume}")
        monitoring = [clock, NonFiniteGuard(resumable), ProgressCallback(progress, epochs)]
        cli.trainer = trainer = cli.make_trainer(
            callbacks=[*monitoring, *configured["callbacks"], *stopping_callbacks, resumable],
            plugins=[*configured["plugins"], ranks.RankEnvironment(), AtomicCheckpointIO()],
            logger=logger or False,
            precision=precision,
            default_root_dir=folder,
            **settings,
        )
        with clock.running:
            trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=resume, weights_only=True)
    return clock, str(trainer.precision)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


# Methods in which a class would see the labels or tags that it is judged by.
_SEALED: dict[type[LitModel], tuple[str, ...]] = {
    LitClassifier: ("validation_step",),
    LitTagger: ("validation_step", "predict_step", "score"),
}


def _check_validation(kind: type[LitModel]) -> None:
    """Check that validation figures, by which the epoch is chosen, come from blind batches."""
    for base, names in _SEALED.items():
        for name in names if issubclass(kind, base) else ():
            if getattr(kind, name) is not getattr(base, name):
                raise ConfigError(
                    f"{kind.__module__}.{kind.__qualname__} overrides {name}, where it would see "
                    "the labels that it is judged by; override forward or loss, and log further "
                    "figures in on_validation_batch_end"
                )


def _patience(run: Any) -> EarlyStopping:
    return EarlyStopping(run.monitor, patience=run.patience, mode=run.mode, check_finite=True)


def _check_finite(clock: TrainingTimer, monitor: str) -> None:
    for epoch in clock.history:
        value = epoch.get(monitor, 0.0)
        if value is None or not math.isfinite(value):
            diverged = not math.isfinite(epoch.get("val/log_loss") or 0.0)
            if monitor == "val/auroc" and not diverged:
                raise ConfigError(
                    "run.monitor is 'val/auroc', which is undefined where a class is absent from "
                    "validation; set --run.monitor val/log_loss, or validate on all classes"
                )
            raise FloatingPointError(
                f"{monitor} is {value} in epoch {epoch['epoch']:.0f} (counted from 0); lower "
                "--model.learning_rate or set --model.gradient_clip_norm"
            )
