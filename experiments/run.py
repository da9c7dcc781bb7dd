"""One run: fit, choose the best epoch, perhaps fit again, predict, measure, write the row."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml

from datamodules.errors import DataError
from experiments import evaluation_log, tracking
from experiments.atomic import replace_bytes
from experiments.callbacks import RESUME_FILE
from experiments.config import ConfigError
from experiments.energy import EnergyMeter
from experiments.environment import git_state, hardware, peak_memory_bytes, versions
from experiments.evaluation import Metrics, evaluate
from experiments.fitting import (
    BEST_FILE,
    CHOICE_FILE,
    Fit,
    Tell,
    fit_again,
    fit_and_choose,
    identity_of,
    keep_choice,
    kept_choice,
    ready,
)
from experiments.flops import flops_per_review
from experiments.measure import latency, predict, throughput
from experiments.parsing import Resolved
from experiments.predictions import read_predictions, write_predictions
from experiments.results import TEST_FILE, VAL_FILE, Row, checksums, read_row, write_row
from experiments.row import row_to_dict
from lit_models.classifier import LitClassifier

CONFIG_FILE = "config.yaml"


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


def execute(spec: RunSpec, tell: Tell = lambda what, share: None) -> Row:
    """Carries a run out, or goes on with it where it was stopped, and writes its row last.

    Raises:
        Stopped: a signal asked for a stop; a later call goes on from the checkpoint.
        ConfigError: a setting that cannot be used.
        DataError: a corpus that cannot be used.
    """
    started, resolved = now(), spec.resolve()
    folder, config_hash = spec.folder, resolved.hash
    folder.mkdir(parents=True, exist_ok=True)
    replace_bytes(folder / CONFIG_FILE, yaml.safe_dump(resolved.config, sort_keys=False).encode())
    tell("reading the corpus", 0.0)
    code = git_state()  # now: it may change while the run goes on
    resumed = any((folder / name).exists() for name in (RESUME_FILE, CHOICE_FILE))
    _, data = ready(resolved)
    tags = [data.store.meta["corpus"], spec.profile]
    logger = tracking.start(resolved, folder, spec.experiment, spec.benchmark, tags)
    exit_code, meter = 1, EnergyMeter()
    try:
        fits = [_choose(resolved, folder, logger, tell)]
        if resolved.run.protocol == "refit":
            resolved = resolved.refitted()
            _, data = ready(resolved)
            second = tracking.refitting(logger, folder)
            epoch = fits[0].best_epoch
            fits.append(fit_again(resolved, folder, epoch, second, _prefixed("refit, ", tell)))
        tell("predicting", 1.0)
        # What an interrupted start took before is not known: half a figure would mislead.
        energy = None if resumed else meter.joules()
        row = _measure(spec, resolved, fits, config_hash, started, code, energy)
        evaluation_log.record(row, folder, row.ended, code)
        final = _write_metrics(folder, row, fits)
        tracking.summarise(logger, row, final)
        if resolved.run.wandb_texts:
            tracking.log_mistakes(logger, read_predictions(folder / VAL_FILE), data)
        for name in (RESUME_FILE, BEST_FILE, CHOICE_FILE):
            (folder / name).unlink(missing_ok=True)
        write_row(folder, row)
        exit_code = 0
        return row
    finally:
        tracking.finish(logger, exit_code)


def test_run(folder: Path) -> Row:
    """Evaluates a finished run on the test rows and adds them to its row, unless they are there.

    Every evaluation on an official test split is logged; a figure that is not in the log is
    evaluated again.

    Raises:
        ConfigError: the folder is not a finished run.
        DataError: the corpus has no test rows, or is not the one the run was fitted on.
    """
    row = read_row(folder)
    if row.status != "ok":
        raise ConfigError(f"{folder} {row.status}: {row.reason}; fit it again")
    if row.test is not None and not evaluation_log.lacks(row, folder):
        return row
    resolved = Resolved.of_run(folder)
    if resolved.run.protocol == "refit":
        resolved = resolved.refitted()
    fresh, data = ready(resolved)
    if data.store.meta["fingerprint"] != row.corpus_fingerprint:
        raise DataError(
            f"{folder} was fitted on corpus {row.corpus_fingerprint}, and the corpus now read is "
            f"{data.store.meta['fingerprint']}; fit again, or give the old data"
        )
    trainer = resolved.cli.make_trainer(
        logger=False, default_root_dir=folder, precision=row.precision
    )
    model = type(fresh).load(folder)
    predictions = predict(trainer, model, data.loader("test"))
    write_predictions(folder / TEST_FILE, predictions)
    test = _metrics(folder / TEST_FILE)
    row = dataclasses.replace(row, test=test, checksums=checksums(folder))
    evaluation_log.record(row, folder, now(), git_state())
    write_row(folder, row)
    return row


def failed_row(
    spec: RunSpec, reason: str, started: str, status: Literal["failed", "skipped"] = "failed"
) -> Row:
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
        status=status,
        reason=reason,
        git_commit=commit,
        git_dirty=dirty,
        versions=versions(),
        hardware=hardware(),
        started=started,
        ended=now(),
        config_hash=resolved.hash,
    )


def _choose(resolved: Resolved, folder: Path, logger: Any, tell: Tell) -> Fit:
    """The fit that chooses, and its validation predictions; those that lie there already stay."""
    identity = identity_of(resolved)
    if (kept := kept_choice(folder, identity)) is not None:
        return kept
    fit = fit_and_choose(resolved, folder, logger, tell)
    cli = resolved.cli
    predictions = predict(cli.trainer, cli.model, cli.datamodule.loader("val"))
    write_predictions(folder / VAL_FILE, predictions)
    if resolved.run.protocol == "refit":
        keep_choice(folder, identity, fit)
    return fit


def _measure(
    spec: RunSpec,
    resolved: Resolved,
    fits: list[Fit],
    config_hash: str,
    started: str,
    code: tuple[str | None, bool | None],
    energy: float | None,
) -> Row:
    """Keeps the model of the last fit, measures it, and says all in a row."""
    folder, trainer = spec.folder, resolved.cli.trainer
    model: LitClassifier = resolved.cli.model
    data = resolved.cli.datamodule
    model.save(folder)
    data.encoder.save(folder)
    test = None
    if spec.test:
        write_predictions(folder / TEST_FILE, predict(trainer, model, data.loader("test")))
        test = _metrics(folder / TEST_FILE)
    memory = peak_memory_bytes()  # before prediction in batches of any size
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    milliseconds = latency(trainer, model, data)
    reviews_per_second, best_batch_size = throughput(trainer, model, data)
    meta, chosen = data.store.meta, fits[0]
    seen = data.vectors.note(data.store.splits) if data.vectors else None
    own = [f"{spec.experiment}: {note}." for note in (seen, *model.notes) if note]
    steps, tokens = (sum(int(getattr(f.clock, n)) for f in fits) for n in ("steps", "tokens"))
    stepping = sum(fit.clock.train_seconds for fit in fits)
    history = chosen.clock.history
    to_best = [e["seconds"] or 0.0 for e in history if e["epoch"] == chosen.best_epoch]
    names = ("encoder", "tokenizer", "model", "arrays")
    kept = [file for name in names for file in folder.glob(f"{name}.*")]
    return Row(
        experiment=spec.experiment,
        architecture=type(model).__name__,
        corpus=meta["corpus"],
        corpus_fingerprint=meta["fingerprint"],
        protocol=resolved.run.protocol,
        profile=spec.profile,
        seed=spec.seed,
        val=_metrics(folder / VAL_FILE),
        test=test,
        parameters=model.parameter_count,
        train_seconds=sum(fit.seconds for fit in fits),
        seconds_to_best=chosen.prepare_seconds + to_best[0] if to_best else chosen.seconds,
        epochs=len(history),
        best_epoch=chosen.best_epoch,
        train_tokens_per_second=tokens / stepping if steps else None,
        peak_memory_bytes=memory,
        peak_gpu_memory_bytes=gpu,
        latency_ms_p50=float(np.percentile(milliseconds, 50)),
        latency_ms_p95=float(np.percentile(milliseconds, 95)),
        reviews_per_second=reviews_per_second,
        best_batch_size=best_batch_size,
        flops_per_review=flops_per_review(model, data),
        energy_joules=energy,
        checkpoint_bytes=sum(file.stat().st_size for file in kept),
        precision=fits[-1].precision,
        tuning={"trials": resolved.run.tuning_trials, "chosen_on": "validation"},
        git_commit=code[0],
        git_dirty=code[1],
        versions=versions(),
        hardware=hardware(),
        started=started,
        ended=now(),
        config_hash=config_hash,
        wandb_run=_wandb_id(folder),
        notes=[*meta["notes"], *own],
        history=list(history),
        checksums=checksums(folder),
        excluded=data.exclude,
        train_rows=len(data.learnt_rows()),
    )


def _write_metrics(folder: Path, row: Row, fits: list[Fit]) -> dict[str, Any]:
    """Leaves `metrics.json` in the run folder and returns its final numbers, flat."""
    final: dict[str, Any] = {
        f"{part}/{name}": value
        for part, metrics in (("val", row.val), ("test", row.test))
        if metrics is not None
        for name, value in vars(metrics).items()
    }
    steps, seconds = (sum(getattr(f.clock, n) for f in fits) for n in ("steps", "train_seconds"))
    if steps:
        final["data_wait_share"] = sum(fit.clock.wait_seconds for fit in fits) / seconds
        final["milliseconds_per_step"] = 1000 * seconds / steps
    content = {"history": row_to_dict(row)["history"], "final": final}
    replace_bytes(folder / "metrics.json", (json.dumps(content, indent=1) + "\n").encode())
    return final


def _metrics(file: Path) -> Metrics:
    predictions = read_predictions(file)
    return evaluate(predictions.labels, predictions.probabilities)


def _prefixed(prefix: str, tell: Tell) -> Tell:
    return lambda what, share: tell(prefix + what, share)


def _wandb_id(folder: Path) -> str | None:
    file = folder / tracking.ID_FILE
    return file.read_text(encoding="utf-8") if file.exists() else None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
