"""One run: fit, choose the best epoch, predict, measure, and write the row."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from datamodules.errors import DataError
from experiments import tracking
from experiments.atomic import replace_bytes
from experiments.callbacks import RESUME_FILE, Clock, Progress, Resumable
from experiments.config import ConfigError
from experiments.environment import git_state, hardware, peak_memory_bytes, versions
from experiments.evaluation import Metrics, evaluate
from experiments.measure import latency, predict, resolve_precision
from experiments.parsing import Resolved
from experiments.predictions import read_predictions, write_predictions
from experiments.results import TEST_FILE, VAL_FILE, Row, read_row, write_row
from experiments.row import row_to_dict
from lit_models.classifier import LitClassifier

CONFIG_FILE = "config.yaml"
BEST_FILE = "best.ckpt"

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class RunSpec:
    """One run to be carried out, in plain values, so that another process can take it.

    Attributes:
        experiment: its name.
        benchmark: the benchmark it belongs to.
        profile: the profile's name.
        seed: its seed.
        folder: where everything about it goes.
        settings: the layered settings (`experiments.config.layered`).
        overrides: words of the command line, such as `--model.dropout 0.3`.
        config_folders: as in `--configs`.
        test: whether the test rows are predicted.
    """

    experiment: str
    benchmark: str
    profile: str
    seed: int
    folder: Path
    settings: dict[str, Any]
    overrides: tuple[str, ...] = ()
    config_folders: tuple[str, ...] = ()
    test: bool = True

    def resolve(self) -> Resolved:
        """The checked configuration."""
        return Resolved({**self.settings, "seed_everything": self.seed}, self.overrides)


@dataclass
class Fit:
    """What one fit leaves for the row."""

    clock: Clock
    best_epoch: int | None
    precision: str
    epochs: int
    history: list[dict[str, float | None]] = field(default_factory=list)


def execute(spec: RunSpec, tell: Tell = lambda what, share: None) -> Row:
    """Carries a run out, or goes on with it where it was stopped, and writes its row last.

    Raises:
        Stopped: a signal asked for a stop; a later call goes on from the checkpoint.
        ConfigError: a setting that cannot be used.
        DataError: a corpus that cannot be used.
    """
    started, resolved = now(), spec.resolve()
    folder = spec.folder
    folder.mkdir(parents=True, exist_ok=True)
    replace_bytes(folder / CONFIG_FILE, yaml.safe_dump(resolved.config, sort_keys=False).encode())
    tell("reading the corpus", 0.0)
    L.seed_everything(resolved.seed, verbose=False)
    code = git_state()  # now: it may change while the run goes on
    model, data = resolved.build()
    data.prepare_data()
    data.setup()
    data.encoder.save(folder)
    tags = [data.store.meta["corpus"], spec.profile]
    logger = tracking.start(resolved, folder, spec.experiment, spec.benchmark, tags)
    exit_code = 1
    try:
        fit = fit_and_choose(resolved, folder, logger, tell)
        tell("predicting", 1.0)
        model.save(folder)
        parts = {"val": VAL_FILE} | ({"test": TEST_FILE} if spec.test else {})
        metrics, rates = {}, {}
        for part, name in parts.items():
            predictions, rates[part] = predict(resolved.cli.trainer, model, data.loader(part))
            write_predictions(folder / name, predictions)
            metrics[part] = evaluate(predictions.labels, predictions.probabilities)
        milliseconds = latency(resolved.cli.trainer, model, data)
        row = _row(spec, resolved, fit, metrics, milliseconds, rates[part], started, code)
        final = _write_metrics(folder, row, fit.clock)
        tracking.summarise(logger, row, final)
        if resolved.run.wandb_texts:
            tracking.log_mistakes(logger, read_predictions(folder / VAL_FILE), data)
        (folder / RESUME_FILE).unlink(missing_ok=True)
        (folder / BEST_FILE).unlink(missing_ok=True)
        write_row(folder, row)
        exit_code = 0
        return row
    finally:
        tracking.finish(logger, exit_code)


def test_run(folder: Path) -> Row:
    """Evaluates a finished run on the test rows and adds them to its row, unless they are there.

    Raises:
        ConfigError: the folder is not a finished run.
        DataError: the corpus has no test rows, or is not the one the run was fitted on.
    """
    row = read_row(folder)
    if row.status != "ok":
        raise ConfigError(f"{folder} {row.status}: {row.reason}; fit it again")
    if row.test is not None:
        return row
    resolved = Resolved.of_run(folder)
    fresh, data = resolved.build()
    data.prepare_data()
    data.setup()
    if data.store.meta["fingerprint"] != row.corpus_fingerprint:
        raise DataError(
            f"{folder} was fitted on corpus {row.corpus_fingerprint}, and the corpus now read is "
            f"{data.store.meta['fingerprint']}; fit again, or give the old data"
        )
    trainer = resolved.cli.make_trainer(
        logger=False, default_root_dir=folder, precision=row.precision
    )
    model = type(fresh).load(folder)
    predictions, rate = predict(trainer, model, data.loader("test"))
    write_predictions(folder / TEST_FILE, predictions)
    metrics = evaluate(predictions.labels, predictions.probabilities)
    row = dataclasses.replace(row, test=metrics, reviews_per_second=rate)
    write_row(folder, row)
    return row


def failed_row(spec: RunSpec, reason: str, started: str) -> Row:
    """The row of a run that gave no result."""
    resolved = spec.resolve()
    commit, dirty = git_state()
    return Row(
        experiment=spec.experiment,
        architecture=resolved.config["model"]["class_path"].rpartition(".")[2],
        corpus=resolved.config["data"]["class_path"].rpartition(".")[2],
        corpus_fingerprint=None,
        protocol=resolved.run.protocol,
        profile=spec.profile,
        seed=spec.seed,
        status="failed",
        reason=reason,
        git_commit=commit,
        git_dirty=dirty,
        versions=versions(),
        hardware=hardware(),
        started=started,
        ended=now(),
        config_hash=resolved.hash,
    )


def fit_and_choose(
    resolved: Resolved, folder: Path, logger: Any = None, tell: Tell = lambda what, share: None
) -> Fit:
    """Fits `resolved.cli.model` and leaves the weights of the best epoch in it.

    Goes on from the checkpoint in `folder`, if there is one of this very run.

    Raises:
        Stopped: a signal asked for a stop.
        FloatingPointError: the metric that chooses is not finite.
        ConfigError: that metric is never logged, or several processes were asked for.
    """
    cli, run = resolved.cli, resolved.run
    clock = Clock()
    identity = f"{resolved.hash} {cli.datamodule.store.meta['fingerprint']}"
    resumable = Resumable(folder, run.checkpoint_minutes, identity)
    best = ModelCheckpoint(
        dirpath=folder,
        filename=Path(BEST_FILE).stem,
        monitor=run.monitor,
        mode=run.mode,
        save_weights_only=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [
        clock,
        Progress(tell),
        *(cli.config_init["trainer"].get("callbacks") or []),
        EarlyStopping(run.monitor, patience=run.patience, mode=run.mode, check_finite=True),
        best,
        resumable,
    ]
    precision = cli.config["trainer"].get("precision") or resolve_precision(run.precision)
    resume = resumable.file if resumable.resumes() else None
    cli.trainer = trainer = cli.make_trainer(
        callbacks=callbacks, logger=logger or False, precision=precision, default_root_dir=folder
    )
    if trainer.world_size > 1:
        raise ConfigError(
            f"trainer.devices asks for {trainer.world_size} processes and a run has one so far; "
            "leave --trainer.devices at 1"
        )
    trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=resume, weights_only=True)
    _check_finite(clock, run.monitor, best)
    best_epoch = None
    if best.best_model_path:
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        cli.model.load_state_dict(state["state_dict"])
        best_epoch = int(state["epoch"])
    return Fit(clock, best_epoch, str(trainer.precision), len(clock.history), clock.history)


def _check_finite(clock: Clock, monitor: str, best: ModelCheckpoint) -> None:
    for epoch in clock.history:
        value = epoch.get(monitor, 0.0)
        if value is None or not math.isfinite(value):
            raise FloatingPointError(
                f"{monitor} is {value} in the epoch counted {epoch['epoch']} (from 0); lower "
                "--model.learning_rate or set --model.gradient_clip_norm"
            )
    if clock.history and not best.best_model_path:
        raise ConfigError(f"run.monitor {monitor!r} was never logged; name a validation metric")


def _row(
    spec: RunSpec,
    resolved: Resolved,
    fit: Fit,
    metrics: dict[str, Metrics],
    milliseconds: np.ndarray,
    reviews_per_second: float,
    started: str,
    code: tuple[str | None, bool | None],
) -> Row:
    model: LitClassifier = resolved.cli.model
    meta, clock = resolved.cli.datamodule.store.meta, fit.clock
    commit, dirty = code
    seconds = clock.train_seconds + model.prepare_seconds
    to_best = [e["seconds"] for e in fit.history if e["epoch"] == fit.best_epoch]
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    kept = [
        f
        for name in ("encoder", "tokenizer", "model", "arrays")
        for f in spec.folder.glob(f"{name}.*")
    ]
    return Row(
        experiment=spec.experiment,
        architecture=type(model).__name__,
        corpus=meta["corpus"],
        corpus_fingerprint=meta["fingerprint"],
        protocol=resolved.run.protocol,
        profile=spec.profile,
        seed=spec.seed,
        val=metrics["val"],
        test=metrics.get("test"),
        parameters=model.parameter_count,
        train_seconds=seconds,
        seconds_to_best=model.prepare_seconds + (to_best[0] or 0.0) if to_best else seconds,
        epochs=fit.epochs,
        best_epoch=fit.best_epoch,
        train_tokens_per_second=int(clock.tokens) / clock.train_seconds if clock.steps else None,
        peak_memory_bytes=peak_memory_bytes(),
        peak_gpu_memory_bytes=gpu,
        latency_ms_p50=float(np.percentile(milliseconds, 50)),
        latency_ms_p95=float(np.percentile(milliseconds, 95)),
        reviews_per_second=reviews_per_second,
        checkpoint_bytes=sum(file.stat().st_size for file in kept),
        precision=fit.precision,
        tuning={"trials": resolved.run.tuning_trials, "chosen_on": "validation"},
        git_commit=commit,
        git_dirty=dirty,
        versions=versions(),
        hardware=hardware(),
        started=started,
        ended=now(),
        config_hash=resolved.hash,
        wandb_run=_wandb_id(spec.folder),
        notes=meta["notes"],
        history=list(fit.history),
    )


def _write_metrics(folder: Path, row: Row, clock: Clock) -> dict[str, Any]:
    """Leaves `metrics.json` in the run folder and returns its final numbers, flat."""
    final: dict[str, Any] = {
        f"{part}/{name}": value
        for part, metrics in (("val", row.val), ("test", row.test))
        if metrics is not None
        for name, value in vars(metrics).items()
    }
    if clock.steps:
        final["data_wait_share"] = clock.wait_seconds / clock.train_seconds
        final["milliseconds_per_step"] = 1000 * clock.train_seconds / clock.steps
    content = {"history": row_to_dict(row)["history"], "final": final}
    replace_bytes(folder / "metrics.json", (json.dumps(content, indent=1) + "\n").encode())
    return final


def _wandb_id(folder: Path) -> str | None:
    file = folder / tracking.ID_FILE
    return file.read_text(encoding="utf-8") if file.exists() else None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
