"""Outcome of a run: its row, with measurements or the reason of a failure, and `metrics.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from datamodules.text import TextDataModule
from experiments.config.identity import config_hash
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.config.track import track_of
from experiments.machine.environment import git_state, hardware, now, peak_memory_bytes, versions
from experiments.machine.peak import peak_flops
from experiments.records.atomic import replace_bytes
from experiments.records.metrics import is_chance, largest_class
from experiments.records.predictions import read_outputs
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import AnyMetrics, Row
from experiments.records.row_schema import row_to_dict
from experiments.records.run_files import REFIT, TEST_FILE, VAL_FILE, checksums
from experiments.records.threshold import threshold_and_note
from experiments.records.tuning_log import tuning_of
from experiments.training import ranks, wandb_run
from experiments.training.devices import devices_of
from experiments.training.fitting import Fit
from experiments.training.flops import flops_per_review
from experiments.training.measure import latency, throughput
from experiments.training.spec import RunSpec
from lit_models.base.model import LitModel
from lit_models.base.sharding import full_model


@dataclass(frozen=True)
class Training:
    """Training of a run: one fit, two, or one for each fold.

    Attributes:
        fits: its fits; under `refit` the one that chose the epoch first.
        tokens: real tokens trained on, over all processes.
        energy: in joules; None where no card tells.
        others_busy: share of the cores that other processes kept busy meanwhile; None where that
            is not known.
        started: ISO 8601 time of its last start, before which a resumed run has trained.
        code: commit, and whether the code had uncommitted changes.
    """

    fits: list[Fit]
    tokens: int
    energy: float | None
    others_busy: float | None
    started: str
    code: tuple[str | None, bool | None]


def shared_fields(
    spec: RunSpec,
    resolved: Resolved,
    data: TextDataModule,
    training: Training,
    config: dict[str, Any],
    threshold: float | None,
) -> dict[str, Any]:
    """Fields of the row of any run that trained a model.

    Args:
        spec: the run.
        resolved: its settings.
        data: the datamodule of its last fit, set up.
        training: what its training took.
        config: its settings, those of the first fit.
        threshold: least probability of class 1 to predict it; None: the most probable class.
    """
    kind, fits = type(resolved.cli.model), training.fits
    vectors_seconds = [fit.vectors_seconds for fit in fits if fit.vectors_seconds is not None]
    steps = sum(fit.clock.steps for fit in fits)
    step_seconds = sum(fit.clock.train_seconds for fit in fits)
    world, devices = ranks.current().world_size, devices_of(resolved)
    machine = hardware(devices) | ({"processes": world} if world > 1 else {})
    if training.others_busy is not None:
        machine["others_busy"] = training.others_busy
    if kind.held_against_peak and steps:
        kinds = {"32": torch.float32, "bf": torch.bfloat16}
        dtype = kinds.get(fits[-1].precision[:2], torch.float16)
        machine["fastest_product"] = peak_flops(devices[0], dtype)
    return {
        "experiment": spec.experiment,
        "architecture": kind.__name__,
        "corpus": data.head.name,
        "corpus_fingerprint": data.fingerprint,  # that of a fold's store is its own
        "profile": spec.profile,
        "seed": spec.seed,
        "val": metrics_of(spec.folder / VAL_FILE, threshold),
        "train_seconds": sum(fit.seconds for fit in fits),
        "vectors_seconds": sum(vectors_seconds) if vectors_seconds else None,
        "train_tokens_per_second": training.tokens / step_seconds if steps else None,
        "energy_joules": training.energy,
        "precision": fits[-1].precision,
        "tuning": tuning_of(spec.trial_of or spec.experiment, config, data.official_test),
        "git_commit": training.code[0],
        "git_dirty": training.code[1],
        "versions": versions(),
        "hardware": machine,
        "started": min(training.started, *(fit.clock.started for fit in fits)),
        "ended": now(),
        "config_hash": config_hash(config),
        "wandb_run": wandb_run.id_of(spec.folder),
        "excluded": data.exclude,
        "train_rows": len(data.train_indices()),
        "checksums": checksums(spec.folder),
        "config": config,
        "family": kind.family,
        "task": data.task,
        "problem": resolved.cli.model.problem,
        "track": track_of(config, data.reads_unlabelled),
        "deterministic": kind.deterministic and data.vectors is None,
        "threshold": threshold,
        "label_names": list(data.label_names),
    }


def build_row(
    spec: RunSpec,
    resolved: Resolved,
    training: Training,
    config: dict[str, Any],
    token_notes: list[str],
) -> Row:
    """Build the result row of a finished run, whose models and predictions are written.

    Measures latency, throughput and size of the last fit's model.

    Args:
        spec: the run.
        resolved: its settings, those of the second fit under `refit`.
        training: what its training took.
        config: its settings, those of the first fit.
        token_notes: sentences on the tokens of the first fit; the second one knows all tokens of
            the validation rows.
    """
    folder, trainer, fits = spec.folder, resolved.cli.trainer, training.fits
    last = folder / REFIT if len(fits) == 2 else folder
    model: LitModel = full_model(resolved.cli.model, last)  # this process measures alone
    data = resolved.cli.datamodule
    test, test_refit = folder / TEST_FILE, folder / REFIT / TEST_FILE
    memory = peak_memory_bytes()  # before `throughput` predicts in large batches
    device = trainer.strategy.root_device
    gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    milliseconds = latency(trainer, model, data)
    reviews_per_second, best_batch_size = throughput(trainer, model, data)
    vectors_note = data.vectors.note(data.store.splits) if data.vectors else None
    parameters, trained = model.parameter_count, resolved.cli.model.trainable_parameter_count
    frozen_note = f"{trained:,} of {parameters:,} parameters were trained"
    # Those of the first fit: a second one learns from the validation rows.
    outputs, rule = read_outputs(folder / VAL_FILE), resolved.run.threshold
    threshold, threshold_notes = threshold_and_note(rule, outputs, data.label_names, spec.seed)
    frozen_notes = [frozen_note] if trained < parameters else []
    remarks = (vectors_note, *frozen_notes, *model.notes, *token_notes, *threshold_notes)
    notes = [f"{spec.experiment}: {note}." for note in remarks if note]
    chosen = fits[0]
    history = chosen.clock.history
    to_best = [e["seconds"] or 0.0 for e in history if e["epoch"] == chosen.best_epoch]
    predicted = [folder / VAL_FILE, *([test] if spec.test else [])]
    predicted += [test_refit] if spec.test and len(fits) == 2 else []
    names = ("encoder", "tokenizer", "model", "arrays")
    files = [file for name in names for file in last.glob(f"{name}.*")]
    return Row(
        **shared_fields(spec, resolved, data, training, config, threshold),
        protocol=resolved.run.protocol,
        test=metrics_of(test, threshold) if spec.test else None,
        test_refit=metrics_of(test_refit, threshold) if spec.test and len(fits) == 2 else None,
        parameters=parameters,
        trainable_parameters=trained,
        seconds_to_best=chosen.prepare_seconds + to_best[0] if to_best else chosen.seconds,
        epochs=len(history),
        best_epoch=chosen.best_epoch,
        peak_memory_bytes=memory,
        peak_gpu_memory_bytes=gpu,
        latency_ms_p50=float(np.percentile(milliseconds, 50)),
        latency_ms_p95=float(np.percentile(milliseconds, 95)),
        reviews_per_second=reviews_per_second,
        best_batch_size=best_batch_size,
        flops_per_review=flops_per_review(model, data),
        checkpoint_bytes=sum(file.stat().st_size for file in files),
        notes=[*data.head.notes, *notes, *chance_notes(spec.experiment, predicted, threshold)],
        history=list(history),
    )


def failed_row(
    spec: RunSpec, reason: str, started: str, status: Literal["failed", "skipped"] = "failed"
) -> Row:
    """Row of a run without a result.

    Args:
        spec: the run.
        reason: the error, or why the run was skipped.
        started: start time, as `now` gives it.
        status: `failed` or `skipped`.
    """
    resolved = spec.resolve()
    commit, dirty = git_state()
    # That of a model follows from its corpus, if it was made.
    problem: Any = getattr(resolved.cli, "model", resolved.model_class).problem
    return Row(
        experiment=spec.experiment,
        architecture=resolved.config["model"]["class_path"].rpartition(".")[2],
        corpus=resolved.config["data"]["class_path"].rpartition(".")[2],
        corpus_fingerprint=None,
        protocol=resolved.run.protocol,
        profile=spec.profile,
        seed=spec.seed,
        status=status,
        # Names of files may have lone surrogates, which no file and no terminal takes.
        reason=reason.encode("utf-8", "backslashreplace").decode(),
        git_commit=commit,
        git_dirty=dirty,
        versions=versions(),
        hardware=hardware(_devices_if_any(resolved)),
        started=started,
        ended=now(),
        config_hash=resolved.hash,
        config=resolved.config,
        problem=problem,
    )


def _devices_if_any(resolved: Resolved) -> list[torch.device]:
    """Devices of a run; none where the device that it asks for is not there, so that it failed."""
    try:
        return devices_of(resolved)
    except (ConfigError, MisconfigurationException, RuntimeError, ValueError):
        return []


def step_costs(fits: list[Fit]) -> dict[str, float]:
    """Time of a step, and the share of time that steps waited for data; empty without steps."""
    steps, seconds = (sum(getattr(f.clock, n) for f in fits) for n in ("steps", "train_seconds"))
    if not steps:
        return {}
    waited = sum(fit.clock.wait_seconds for fit in fits)
    return {"data_wait_share": waited / seconds, "milliseconds_per_step": 1000 * seconds / steps}


def write_metrics(folder: Path, row: Row, costs: dict[str, float] | None = None) -> dict[str, Any]:
    """Write `metrics.json` to the run folder and return its final metrics under flat keys.

    Args:
        folder: the run folder.
        row: its row.
        costs: see `step_costs`; None: those in the file, which `fit` has written.
    """
    file = folder / "metrics.json"
    if costs is None:
        before = json.loads(file.read_bytes())["final"] if file.exists() else {}
        costs = {name: cost for name, cost in before.items() if "/" not in name}
    final: dict[str, Any] = {
        f"{part}/{name}": value
        for part, metrics in row.parts.items()
        if metrics is not None
        for name, value in metrics.scores.items()
    }
    final |= costs
    content = {"history": row_to_dict(row)["history"], "final": final}
    replace_bytes(file, (json.dumps(content, indent=1) + "\n").encode())
    return final


def metrics_of(file: Path, threshold: float | None) -> AnyMetrics:
    """Metrics of a predictions file; the threshold is the row's."""
    metrics: AnyMetrics = read_outputs(file).evaluate(threshold)
    return metrics


def chance_notes(experiment: str, files: Iterable[Path], threshold: float | None) -> list[str]:
    """Sentence on each predictions file whose accuracy naming the largest class would give too."""
    notes = []
    for file in files:
        outputs = read_outputs(file)
        if not isinstance(outputs, Predictions):
            continue
        labels = outputs.labels
        if is_chance(outputs.evaluate(threshold), labels):
            rows = f"{len(labels):,} {'validation' if file.name == VAL_FILE else 'test'} rows"
            notes.append(
                f"{experiment}: the accuracy on the {rows} is not above the "
                f"{largest_class(labels):.2%} of always naming the largest class by more than "
                "chance."
            )
    return list(dict.fromkeys(notes))
