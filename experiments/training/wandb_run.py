"""W&B: one run per (experiment, seed), offline unless an API key is set up."""

from __future__ import annotations

import netrc
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import wandb
from lightning.pytorch.loggers import WandbLogger
from wandb.sdk.lib.import_hooks import unregister_all_post_import_hooks

from datamodules.text import TextDataModule
from experiments.config.resolved import Resolved
from experiments.records.atomic import replace_bytes
from experiments.records.predictions import Predictions
from experiments.records.row import Row

ID_FILE = "wandb_id.txt"
PROJECT = "lit-sentiment"
# Which end of a metric is the best.
BEST = {"val/log_loss": "min", "val/accuracy": "max", "val/f1": "max", "val/auroc": "max"}


_lost = False


@contextmanager
def _at_no_cost() -> Iterator[None]:
    """Lets W&B fail alone: its process may be killed or its disk full, and the run goes on."""
    global _lost
    try:
        yield
    except Exception as error:  # its client lets through whatever its connection raises
        if not _lost:
            print(
                f"W&B is lost ({type(error).__name__}: {error}); the run goes on", file=sys.stderr
            )
        _lost = True


class SafeLogger(WandbLogger):
    """Lightning's logger, whose failures cost no run."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        with _at_no_cost():
            super().log_metrics(metrics, step)

    def log_hyperparams(self, params: Any) -> None:
        with _at_no_cost():
            super().log_hyperparams(params)

    def finalize(self, status: str) -> None:
        with _at_no_cost():
            super().finalize(status)


class RefitLogger(SafeLogger):
    """Files the metrics of a second fit under `refit/`, beside those of the first."""

    LOGGER_JOIN_CHAR = "/"


def start(
    resolved: Resolved, folder: Path, experiment: str, benchmark: str, tags: list[str]
) -> WandbLogger | None:
    """Opens the run; None where W&B is disabled. A server out of reach means offline.

    Args:
        resolved: the run's configuration, all of which is sent along.
        folder: the run's folder; `wandb/` lies in it.
        experiment: the job type.
        benchmark: the group.
        tags: corpus and profile.
    """
    run = open_run(
        folder,
        resolved.run.wandb_mode,
        project=resolved.run.wandb_project,
        entity=resolved.run.wandb_entity,
        name=f"{experiment}-seed-{resolved.seed}",
        group=benchmark,
        job_type=experiment,
        tags=tags,
        config=resolved.config,
    )
    if run is None:
        return None
    # They tell its process of later imports, and where it is gone make these imports fail.
    unregister_all_post_import_hooks()
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    for name, best in BEST.items():  # the best of all epochs stands in the summary, too
        for metric in (name, f"refit/{name}"):
            run.define_metric(
                metric, step_metric="trainer/global_step", step_sync=True, summary=f"{best},last"
            )
    return SafeLogger(experiment=run, save_dir=str(folder))


def open_run(
    folder: Path, mode: str, *, project: str | None, entity: str | None, **options: Any
) -> Any:
    """Opens a W&B run of a stable id; None where W&B is disabled.

    A server out of reach means offline.

    Args:
        folder: `wandb/` and the id lie in it.
        mode: as `run.wandb_mode`.
        project: None is `$WANDB_PROJECT`, else `lit-sentiment`.
        entity: None is `$WANDB_ENTITY`, else the account's own.
        **options: of `wandb.init`.
    """
    mode = _mode(mode)
    if mode == "disabled":
        return None
    settings = wandb.Settings(
        console="off",  # the log file has it already
        disable_git=True,
        disable_code=True,
        silent=True,
        x_disable_stats=True,
        init_timeout=20,
    )
    options |= {
        "project": project or os.environ.get("WANDB_PROJECT", PROJECT),
        "entity": entity or os.environ.get("WANDB_ENTITY"),
        "id": _stable_id(folder),
        "dir": str(folder),
        "settings": settings,
        "resume": "allow" if mode == "online" else None,
    }
    try:
        return wandb.init(mode=mode, **options)  # type: ignore[arg-type]  # one of W&B's words
    except (wandb.Error, OSError) as error:
        if mode != "online":
            raise
        print(f"W&B out of reach ({error}); the run is kept offline", file=sys.stderr)
        wandb.teardown()  # its service still holds the run's id
        return wandb.init(mode="offline", **{**options, "resume": None})


def refitting(logger: WandbLogger | None, folder: Path) -> WandbLogger | None:
    """A logger into the same run for the second fit, whose steps count from 0 again."""
    if logger is None:
        return None
    return RefitLogger(experiment=logger.experiment, save_dir=str(folder), prefix="refit")


def finish(logger: WandbLogger | None, exit_code: int) -> None:
    """Closes the run, whatever happened to it. What fails here must not fail a finished run."""
    if logger is None:
        return
    with _at_no_cost():
        logger.experiment.finish(exit_code=exit_code)
    with _at_no_cost():
        wandb.teardown(exit_code)  # a forked run ends without the hooks that would do it


def summarise(logger: WandbLogger | None, row: Row, final: dict[str, Any]) -> None:
    """Puts the row's metrics and costs into the run's summary.

    What epochs log has its best and last value there already; the row's figures, those of the
    chosen epoch, stand beside them under `chosen/`.
    """
    if logger is None:
        return
    final = {f"chosen/{key}" if key in BEST else key: value for key, value in final.items()}
    costs = ("parameters", "train_seconds", "checkpoint_bytes", "latency_ms_p50", "best_epoch")
    summary = {**final, **{name: getattr(row, name) for name in costs}}
    with _at_no_cost():
        logger.experiment.summary.update({k: v for k, v in summary.items() if v is not None})


def log_mistakes(
    logger: WandbLogger | None, found: Predictions, data: TextDataModule, most: int = 50
) -> None:
    """Sends the validation texts misread with most confidence; only on the user's word."""
    if logger is None:
        return
    chosen = found.probabilities.argmax(axis=1)
    confidence = found.probabilities.max(axis=1)
    wrong = np.flatnonzero(chosen != found.labels)
    texts, names = data.texts("train"), data.label_names
    table = wandb.Table(columns=["text", "label", "predicted", "probability"])
    for row in wrong[np.argsort(-confidence[wrong])][:most]:
        label, said = names[found.labels[row]], names[chosen[row]]
        table.add_data(texts[found.ids[row]], label, said, float(confidence[row]))
    with _at_no_cost():
        logger.experiment.log({"val/mistakes": table})


def _mode(asked: str) -> str:
    if asked != "auto":
        return asked
    if named := os.environ.get("WANDB_MODE"):
        return {"dryrun": "offline", "shared": "online", "run": "online"}.get(named, named)
    return "online" if os.environ.get("WANDB_API_KEY") or _kept_key() else "offline"


def _kept_key() -> bool:
    """Whether `wandb login` left a key for the server in use."""
    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    try:
        return netrc.netrc().authenticators(urlsplit(server).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False  # no such file, or one that W&B could not read either


def _stable_id(folder: Path) -> str:
    file = folder / ID_FILE
    if not file.exists():
        replace_bytes(file, secrets.token_hex(4).encode())
    return file.read_text(encoding="utf-8")
