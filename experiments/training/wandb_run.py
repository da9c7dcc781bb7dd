"""Weights & Biases: one run for each experiment and seed, offline unless an API key is set up."""

from __future__ import annotations

import json
import netrc
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import wandb
from lightning.pytorch.loggers import WandbLogger
from wandb.sdk.lib.import_hooks import unregister_all_post_import_hooks

from datamodules.text import TextDataModule
from experiments.config.directions import DIRECTIONS
from experiments.config.resolved import Resolved
from experiments.records.atomic import replace_bytes
from experiments.records.predictions import read_predictions
from experiments.records.row import Row

ID_FILE = "wandb_id.txt"
PROJECT = "lit-sentiment"

_TAG_LENGTH = 64  # the most that W&B takes

_failed = False


@contextmanager
def _tolerate_failure() -> Iterator[None]:
    """Prints the first failure of W&B, such as a killed process or a full disk; the run goes on."""
    global _failed
    try:
        yield
    except Exception as error:  # the client passes on whatever its connection raises
        if not _failed:
            print(
                f"W&B is lost ({type(error).__name__}: {error}); the run goes on", file=sys.stderr
            )
        _failed = True


class SafeLogger(WandbLogger):
    """Lightning's W&B logger, whose failures do not fail the run.

    Args:
        run: the W&B run.
        folder: the run's folder.
        **options: of `WandbLogger`.
    """

    def __init__(self, run: Any, folder: Path, **options: Any) -> None:
        super().__init__(experiment=run, save_dir=str(folder), **options)
        self._place = str(folder)

    # What Lightning asks of a logger, without asking W&B, which may have gone.

    @property
    def name(self) -> str | None:
        return PROJECT

    @property
    def version(self) -> str | None:
        return None

    @property
    def save_dir(self) -> str | None:
        return self._place

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        with _tolerate_failure():
            super().log_metrics(metrics, step)

    def log_hyperparams(self, params: Any) -> None:
        with _tolerate_failure():
            super().log_hyperparams(params)

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        with _tolerate_failure():
            super().after_save_checkpoint(checkpoint_callback)

    def finalize(self, status: str) -> None:
        with _tolerate_failure():
            super().finalize(status)


class RefitLogger(SafeLogger):
    """Logs the metrics of a refit under `refit/`, beside those of the first fit."""

    LOGGER_JOIN_CHAR = "/"


def start(
    resolved: Resolved, folder: Path, experiment: str, benchmark: str, tags: list[str]
) -> SafeLogger | None:
    """Opens the W&B run of a run, offline if the server cannot be reached.

    Args:
        resolved: configuration, logged completely.
        folder: the run's folder, in which W&B creates `wandb/`.
        experiment: W&B's job type.
        benchmark: W&B's group.
        tags: corpus and profile.

    Returns:
        The logger; None if W&B is disabled or fails, which is said in one line.
    """
    known = (folder / ID_FILE).exists()
    with _tolerate_failure():
        return _start(resolved, folder, experiment, benchmark, tags)
    if not known:  # the row is not to name a W&B run that there is not
        (folder / ID_FILE).unlink(missing_ok=True)
    return None


def _start(
    resolved: Resolved, folder: Path, experiment: str, benchmark: str, tags: list[str]
) -> SafeLogger | None:
    run = open_run(
        folder,
        resolved.run.wandb_mode,
        project=resolved.run.wandb_project,
        entity=resolved.run.wandb_entity,
        name=f"{experiment}-seed-{resolved.seed}",
        group=benchmark,
        job_type=experiment,
        tags=tags,
        config=json.loads(json.dumps(resolved.config, default=str)),  # YAML has dates too
    )
    if run is None:
        return None
    # W&B's import hooks notify its process; later imports would fail once that has died.
    unregister_all_post_import_hooks()
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    for name, best in DIRECTIONS.items():  # the summary also holds the best of all epochs
        for metric in (name, f"refit/{name}"):
            run.define_metric(
                metric, step_metric="trainer/global_step", step_sync=True, summary=f"{best},last"
            )
    return SafeLogger(run, folder)


def open_run(
    folder: Path,
    mode: str,
    *,
    project: str | None,
    entity: str | None,
    tags: Iterable[str],
    **options: Any,
) -> Any:
    """Opens a W&B run under the id stored in a folder, offline if the server cannot be reached.

    Args:
        folder: folder of `wandb/` and of the file with the id.
        mode: as `run.wandb_mode`.
        project: None: `$WANDB_PROJECT`, or `lit-sentiment` if that is not set.
        entity: None: `$WANDB_ENTITY`, or the account's default if that is not set.
        tags: of the run; shortened to what W&B takes.
        **options: further ones of `wandb.init`.

    Returns:
        The run; None if W&B is disabled.
    """
    mode = _mode(mode)
    if mode == "disabled":
        return None
    settings = wandb.Settings(
        console="off",  # the log file has the output already
        disable_git=True,
        disable_code=True,
        silent=True,
        x_disable_stats=True,
        init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", 20)),
    )
    options |= {
        "project": project or os.environ.get("WANDB_PROJECT", PROJECT),
        "entity": entity or os.environ.get("WANDB_ENTITY"),
        "id": _stable_id(folder),
        "dir": str(folder),
        "settings": settings,
        "tags": _tags(tags),
        "resume": "allow" if mode == "online" else None,
    }
    try:
        return wandb.init(mode=mode, **options)  # type: ignore[arg-type]  # a Literal
    except Exception as error:  # the client passes on whatever its connection raises
        if mode != "online":
            raise
        print(f"W&B cannot be reached ({error}); the run is kept offline", file=sys.stderr)
        wandb.teardown()  # its service still holds the id of the run
        return wandb.init(mode="offline", **{**options, "resume": None})


def refit_logger(logger: SafeLogger | None, folder: Path) -> SafeLogger | None:
    """Logger of a refit into the same run; its steps are counted from 0 again."""
    if logger is None:
        return None
    return RefitLogger(logger.experiment, folder, prefix="refit")


def id_of(folder: Path) -> str | None:
    """Id of the W&B run of a run folder; None if it has none."""
    file = folder / ID_FILE
    return file.read_text(encoding="utf-8") if file.is_file() else None


def finish(logger: WandbLogger | None, exit_code: int) -> None:
    """Closes the W&B run. A failure in here does not fail a finished run."""
    if logger is None:
        return
    with _tolerate_failure():
        logger.experiment.finish(exit_code=exit_code)
    with _tolerate_failure():
        wandb.teardown(exit_code)  # a forked process ends without W&B's exit hooks


def summarise(logger: WandbLogger | None, row: Row, final: dict[str, Any]) -> None:
    """Adds the row's metrics and costs to the summary of the W&B run.

    The summary already holds the best and the last value of metrics logged in each epoch; the
    values of the chosen epoch are added under `chosen/`.
    """
    if logger is None:
        return
    final = {f"chosen/{key}" if key in DIRECTIONS else key: value for key, value in final.items()}
    costs = ("parameters", "train_seconds", "checkpoint_bytes", "latency_ms_p50", "best_epoch")
    summary = {**final, **{name: getattr(row, name) for name in costs}}
    with _tolerate_failure():
        logger.experiment.summary.update({k: v for k, v in summary.items() if v is not None})


def log_mistakes(
    logger: WandbLogger | None, file: Path, row: Row, data: TextDataModule, limit: int = 50
) -> None:
    """Logs the misclassified validation texts of highest confidence (`run.wandb_texts`)."""
    if logger is None:
        return
    with _tolerate_failure():
        logger.experiment.log({"val/mistakes": _mistakes(file, row, data, limit)})


def _mistakes(file: Path, row: Row, data: TextDataModule, limit: int) -> wandb.Table:
    predictions = read_predictions(file)
    predicted = predictions.predicted(row.threshold)
    confidence = predictions.probabilities[np.arange(len(predicted)), predicted]
    wrong = np.flatnonzero(predicted != predictions.labels)
    texts, names = data.texts("train"), data.label_names
    table = wandb.Table(columns=["text", "label", "predicted", "probability"])
    for at in wrong[np.argsort(-confidence[wrong])][:limit]:
        label, prediction = names[predictions.labels[at]], names[predicted[at]]
        text = texts[predictions.ids[at]]
        table.add_data(text, label, prediction, float(confidence[at]))
    return table


def _mode(mode: str) -> str:
    if mode != "auto":
        return mode
    if variable := os.environ.get("WANDB_MODE"):
        return {"dryrun": "offline", "shared": "online", "run": "online"}.get(variable, variable)
    return "online" if os.environ.get("WANDB_API_KEY") or _has_saved_key() else "offline"


def _has_saved_key() -> bool:
    """True if `wandb login` has saved a key for the server in use."""
    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    try:
        return netrc.netrc().authenticators(urlsplit(server).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False  # no such file, or one that W&B could not read either


def _tags(tags: Iterable[str]) -> list[str]:
    """Tags as W&B takes them: each of 1 to 64 characters, and each once."""
    cut = (tag.encode("utf-8", "backslashreplace").decode()[:_TAG_LENGTH] for tag in tags)
    return list(dict.fromkeys(tag for tag in cut if tag))


def _stable_id(folder: Path) -> str:
    """Id of the W&B run that belongs to a folder; in a sweep of W&B its agent has chosen it."""
    file = folder / ID_FILE
    if not file.exists():
        given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        replace_bytes(file, (given or secrets.token_hex(4)).encode())
    return file.read_text(encoding="utf-8")
