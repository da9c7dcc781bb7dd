"""Result row: the schema of a run's results, checked when it is written and when it is read."""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.config.identity import config_hash
from experiments.config.names import check_part
from experiments.records.metrics import Metrics

SCHEMA = 2
FOLDS = "folds"
"""Protocol of a run that was cross-validated."""
READABLE = (1, SCHEMA)
LATER = {"best_batch_size", "flops_per_review", "energy_joules"}
LATER |= {"excluded", "train_rows", "checksums", "trainable_parameters", "vectors_seconds"}
"""Fields that older rows may lack: their defaults then apply."""
SECOND = {"config", "family"}
"""Fields that came with schema 2."""
REMEDY = "rows are written by the program: run the experiment again, or read it with the version "
REMEDY += "of lit-sentiment that wrote it"


class ResultsError(Exception):
    """Unusable rows, predictions or evidence. The message names file, value, rule and remedy."""


@dataclass(frozen=True)
class EvidenceFile:
    """Where a published row's probabilities lie.

    Attributes:
        file: Path relative to the published folder, with forward slashes.
        checksum: SHA-256 over ids, labels and probabilities, as in the file itself.
    """

    file: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """Results of one run: one experiment with one random seed.

    A failed or skipped run is a row, too, with its reason; figures that it did not measure are
    None.

    Attributes:
        experiment: Name of the YAML file, for example `cnn`.
        architecture: Class name of the model, for example `CNN`.
        corpus: Name of the corpus.
        corpus_fingerprint: Content hash of the corpus; None only if the run ended before reading.
        protocol: `holdout` or `refit`; under `refit`, epochs, history and `val` are those of the
            fit that chose, and `test`, latency, throughput and size those of the second. `folds` is
            cross-validation within train: `val` is that of all its rows, `history` the mean over
            the folds, and there are no test metrics and no model.
        profile: Sizes and time limits that the run used, for example `quick`.
        seed: Seed of the run.
        status: `ok`, `failed` or `skipped`.
        reason: Why there is no result; None if and only if `status` is `ok`.
        val: Metrics on the validation part.
        test: Metrics on the test part; None where the run was not tested.
        parameters: Number of parameters, frozen ones included.
        trainable_parameters: Number of those that training changed; None in older rows.
        train_seconds: Time of optimiser steps alone, and of what a model learns before them; under
            `refit` that of both fits, which is what the delivered weights cost.
        vectors_seconds: Time in which the word vectors were learnt, of both fits under `refit`;
            rows that share vectors have the same. None without vectors, and in older rows, whose
            `train_seconds` include it.
        seconds_to_best: Time in the fit that chose, up to the end of the chosen epoch.
        epochs: Epochs trained.
        best_epoch: The chosen epoch, from 0.
        train_tokens_per_second: Real tokens (no padding) per second of `train_seconds`.
        peak_memory_bytes: Largest resident size of the process.
        peak_gpu_memory_bytes: Largest memory allocated on the GPU; None without one.
        latency_ms_p50: Median milliseconds from one raw text to its probabilities.
        latency_ms_p95: The 95th percentile of the same.
        reviews_per_second: Throughput of prediction from raw text at `best_batch_size`; where
            that is None (older rows), from token arrays, in the config's own batches.
        best_batch_size: The batch size, of a few, that predicts most reviews per second.
        flops_per_review: Operations of the forward pass of a review, as torch counts them; None
            for models that are not torch's.
        energy_joules: What all cards took while the run was fitted; None without NVML.
        checkpoint_bytes: Size of all that prediction needs.
        precision: What was used, for example `32-true`.
        tuning: `trials` (how many settings were tried) and `chosen_on` (the split).
        git_commit: Commit of the code; None outside a repository.
        git_dirty: Whether the code had uncommitted changes.
        versions: Version of each package that matters.
        hardware: `cpu`, `cores`, `threads`, `gpu` and what else describes the machine: among it
            `openmp`, by which threads wait for one another, and `others_busy`, the share of the
            cores that other processes kept busy during the fit.
        started: ISO 8601 time.
        ended: ISO 8601 time.
        config_hash: Hash of the settings as the version that made the run computed it; the test
            log names the run by it. `settings_hash` compares rows.
        wandb_run: Id of the W&B run.
        notes: Sentences about the corpus that a reader of the numbers must know.
        history: One dict per epoch: `epoch`, `train/loss`, `val/log_loss`, `val/accuracy`, …
            (None stands for a value that was not finite).
        evidence: Probabilities beside the row; only in published rows.
        excluded: Reviews kept out of training and validation, for example `robustness`.
        train_rows: Number of texts learnt from; under `refit` in the second fit.
        checksums: SHA-256 of each file in the run folder that a figure or a prediction comes
            from, by name; of predictions alone in older rows; empty in a published row, whose
            evidence has its own.
        config: The resolved settings, under the names of the version that made the run; empty in
            a row of schema 1 whose run folder is gone.
        family: Family of the architecture, for example `recurrent`.
        schema: Version of this list of fields.
    """

    experiment: str
    architecture: str
    corpus: str
    corpus_fingerprint: str | None
    protocol: str
    profile: str
    seed: int
    status: Literal["ok", "failed", "skipped"] = "ok"
    reason: str | None = None
    val: Metrics | None = None
    test: Metrics | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    train_seconds: float | None = None
    vectors_seconds: float | None = None
    seconds_to_best: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    train_tokens_per_second: float | None = None
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None
    reviews_per_second: float | None = None
    best_batch_size: int | None = None
    flops_per_review: float | None = None
    energy_joules: float | None = None
    checkpoint_bytes: int | None = None
    precision: str | None = None
    tuning: dict[str, Any] = field(default_factory=dict)
    git_commit: str | None = None
    git_dirty: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    started: str
    ended: str
    config_hash: str
    wandb_run: str | None = None
    notes: list[str] = field(default_factory=list)
    history: list[dict[str, float | None]] = field(default_factory=list)
    evidence: EvidenceFile | None = None
    excluded: str | None = None
    train_rows: int | None = None
    checksums: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    family: str = "other"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        name = f"{self.experiment}, seed {self.seed}"
        if self.status == "ok":
            needed = ("corpus_fingerprint", "val", "parameters", "train_seconds", "epochs")
            for attribute in (*needed, "precision"):
                if getattr(self, attribute) is None:
                    raise ResultsError(f"{name}: {attribute} is None; an ok row must have it")
            if self.reason is not None:
                raise ResultsError(f"{name}: reason is {self.reason!r}; an ok row has none")
            return
        if not self.reason:
            raise ResultsError(
                f"{name}: status is {self.status!r} without a reason; say why there is no result"
            )
        if self.val is not None or self.test is not None:
            raise ResultsError(
                f"{name}: status is {self.status!r} and metrics are given; only an ok row has any"
            )

    @property
    def cross_validated(self) -> bool:
        """Whether the run fitted the folds of the train split, and left predictions alone."""
        return self.protocol == FOLDS

    @property
    def settings_hash(self) -> str:
        """Hash of the settings under today's names; `config_hash` where they were not kept."""
        return config_hash(self.config) if self.config else self.config_hash


def row_to_dict(row: Row) -> dict[str, Any]:
    """Convert a row to values that JSON can hold.

    Raises:
        ResultsError: A number outside `history` is not finite, or a field has another type than
            the schema says, so that the file could not be read back.
    """
    data = dataclasses.asdict(row)
    for epoch in data["history"]:
        for key, value in epoch.items():
            # A diverged epoch is worth keeping, but NaN is not JSON.
            if isinstance(value, float) and not math.isfinite(value):
                epoch[key] = None
    row_from_dict(data, f"the row of {row.experiment}, seed {row.seed}")
    return data


def row_from_dict(data: Any, source: str) -> Row:
    """Check a decoded row against the schema; one of schema 1 becomes one of today's.

    Args:
        data: The decoded JSON.
        source: File (and line) named by errors.

    Raises:
        ResultsError: An unknown schema version, an unknown or missing field, a value of another
            type, or fields that contradict each other.
    """
    if not isinstance(data, dict):
        raise ResultsError(f"{source}: holds {type(data).__name__}; a row is an object. {REMEDY}")
    if data.get("schema") not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise ResultsError(
            f"{source}: field 'schema' is {data.get('schema')!r}; this program reads {known}. "
            f"{REMEDY}"
        )
    if data["schema"] == 1:
        if later := sorted(SECOND & data.keys()):
            raise ResultsError(f"{source}: unknown field {later[0]!r} of schema 1. {REMEDY}")
        data = data | {"config": {}, "family": "other", "schema": SCHEMA}
    try:
        row = _build(Row, data, "")
        assert isinstance(row, Row)
        for name in ("experiment", "config_hash"):
            check_part(getattr(row, name), f"field {name!r}")
    except (ResultsError, ValueError) as error:
        raise ResultsError(f"{source}: {error}") from None
    return row


def _build(cls: type, data: Any, prefix: str) -> Any:
    """Make the dataclass `cls` from a dict whose keys are exactly its fields."""
    if not isinstance(data, dict):
        raise ResultsError(f"field {prefix.rstrip('.')!r} is {data!r}; it must be an object")
    hints = typing.get_type_hints(cls)
    for name in sorted(data.keys() - hints.keys()):
        raise ResultsError(f"unknown field {prefix + name!r}. {REMEDY}")
    for name in sorted(hints.keys() - data.keys() - LATER):
        raise ResultsError(f"missing field {prefix + name!r}. {REMEDY}")
    known = {name: data[name] for name in hints if name in data}
    return cls(**{name: _value(hints[name], value, prefix + name) for name, value in known.items()})


def _value(hint: Any, value: Any, name: str) -> Any:
    """Check `value` against a type hint and return it, nested dataclasses built."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # here always `X | None`
        return None if value is None else _value(arguments[0], value, name)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, f"{name}.")
    if origin is Literal and value in arguments:
        return value
    if origin is list and isinstance(value, list):
        return [_value(arguments[0], entry, f"{name}[{i}]") for i, entry in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {
            key: _value(arguments[1], entry, f"{name}[{key!r}]") for key, entry in value.items()
        }
    if hint is Any:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ResultsError(f"field {name!r} is {value}; it must be a finite number, or null")
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    expected = getattr(hint, "__name__", str(hint)) if origin is None else str(hint)
    raise ResultsError(f"field {name!r} is {value!r}; it must be {expected}. {REMEDY}")
