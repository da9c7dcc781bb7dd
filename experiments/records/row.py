"""Result row: everything that one run leaves for tables and statistics."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.config.identity import config_hash
from experiments.config.track import Track
from experiments.records.metrics import ClassMetrics, Metrics
from experiments.records.problems.label_metrics import MultiLabelMetrics
from experiments.records.problems.language_metrics import LanguageMetrics
from experiments.records.problems.tagging_metrics import TaggingMetrics
from experiments.records.problems.transcription_metrics import TranscriptionMetrics

SCHEMA = 3
Problem = Literal[
    "classification",
    "multi-label classification",
    "language modelling",
    "transcription",
    "tagging",
]
AnyMetrics = Metrics | MultiLabelMetrics | LanguageMetrics | TranscriptionMetrics | TaggingMetrics
METRICS: dict[Problem, type[AnyMetrics]] = {
    "classification": Metrics,
    "multi-label classification": MultiLabelMetrics,
    "language modelling": LanguageMetrics,
    "transcription": TranscriptionMetrics,
    "tagging": TaggingMetrics,
}
"""Metrics of the rows of each kind of problem."""

Part = Literal["val", "test", "test_refit"]
"""Part of a run's predictions: validation, test, and test by the weights of the second fit."""
Origin = Literal["recomputed", "claimed"]
"""Source of a row's predictions: a run of this suite, or a file that others published."""
FOLDS: Literal["folds"] = "folds"
"""Protocol of a run that was cross-validated."""
ENSEMBLE = "ensemble"
"""Setting of an ensemble, in the place of a model: `experiment@setting` of each member."""


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
        protocol: `holdout`: one fit, on the train part; `refit`: a second one, on all of train,
            too. Epochs, history and `val` are those of the first, latency, throughput and size
            those of the last. `folds`: cross-validation within train; `val` is that of all its
            rows, `history` the mean over the folds, and there are no test metrics and no model.
        profile: Sizes and time limits that the run used, for example `quick`.
        seed: Seed of the run.
        status: `ok`, `failed` or `skipped`.
        reason: Why there is no result; None if and only if `status` is `ok`.
        val: Metrics on the validation part.
        test: Metrics on the test part of the first fit; None where it was not tested.
        test_refit: Metrics on the test part of the second fit of protocol `refit`.
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
        tuning: `trials` (how many settings were tried, counted from the tuning log; typed by hand
            in older rows) and `chosen_on` (the split).
        git_commit: Commit of the code; None outside a repository.
        git_dirty: Whether the code had uncommitted changes.
        versions: Version of each package that matters.
        hardware: `cpu`, `cores`, `threads`, `gpu` and what else describes the machine: among it
            `openmp`, by which threads wait for one another, and `others_busy`, the share of the
            cores that other processes kept busy during the fit, and for language models
            `fastest_product`, operations per second of a large matrix product. Where times are
            shown that were measured apart (`records.times`), it describes their machine, and
            `timed` is their day.
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
        train_rows: Number of labelled texts learnt from; under `refit` in the second fit.
        checksums: SHA-256 of each file in the run folder that a figure or a prediction comes
            from, by name; of predictions alone in older rows; empty in a published row, whose
            evidence has its own.
        config: The resolved settings, under the names of the version that made the run; empty in
            a row of schema 1 whose run folder is gone.
        family: Family of the architecture, for example `recurrent`.
        task: Name and version of the evaluation, for example `imdb-v1`: same splits, same
            metrics. Rows of different tasks are never compared. None for a user's own corpus.
        problem: Kind of problem, which decides the metrics.
        track: What was learnt from: `labels`, `unlabelled` or `open weights`
            (`experiments.config.track`).
        deterministic: Whether another seed would give the same model.
        origin: `recomputed`: by a run of this suite. `claimed`: from predictions that others
            published; nothing but test metrics is known of such a row, and its track is what its
            authors say.
        paper: Address of the paper of a claimed row.
        threshold: Least probability of class 1 to predict it, chosen on validation by
            `run.threshold`; None: the most probable class. Where a text may have several labels,
            that of each; None: 0.5. That of `val` holds for both fits.
        label_names: Name of each class; empty in older rows.
        schema: Version of this list of fields.
    """

    experiment: str
    architecture: str
    corpus: str
    corpus_fingerprint: str | None
    protocol: Literal["holdout", "refit", "folds"]
    profile: str
    seed: int
    status: Literal["ok", "failed", "skipped"] = "ok"
    reason: str | None = None
    val: AnyMetrics | None = None
    test: AnyMetrics | None = None
    test_refit: AnyMetrics | None = None
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
    task: str | None = None
    problem: Problem = "classification"
    track: Track = "labels"
    deterministic: bool = False
    threshold: float | None = None
    origin: Origin = "recomputed"
    paper: str | None = None
    label_names: list[str] = field(default_factory=list)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        name = f"{self.experiment}, seed {self.seed}"
        kind = METRICS[self.problem]
        if wrong := [part for part, one in self.parts.items() if one and type(one) is not kind]:
            raise ResultsError(f"{name}: {wrong[0]} has other metrics than {self.problem} has")
        if self.test_refit is not None and self.protocol != "refit":
            raise ResultsError(
                f"{name}: test_refit is given under protocol {self.protocol}; only refit has it"
            )
        if self.status == "ok":
            needed = ("corpus_fingerprint", "val", "parameters", "train_seconds", "epochs")
            for attribute in ("test",) if self.claimed else (*needed, "precision"):
                if getattr(self, attribute) is None:
                    raise ResultsError(f"{name}: {attribute} is None; an ok row must have it")
            if self.reason is not None:
                raise ResultsError(f"{name}: reason is {self.reason!r}; an ok row has none")
            return
        if not self.reason:
            raise ResultsError(
                f"{name}: status is {self.status!r} without a reason; say why there is no result"
            )
        if any(metrics is not None for metrics in self.parts.values()):
            raise ResultsError(
                f"{name}: status is {self.status!r} and metrics are given; only an ok row has any"
            )

    @property
    def parts(self) -> dict[Part, AnyMetrics | None]:
        """Metrics by the part of the predictions that they follow from."""
        return {"val": self.val, "test": self.test, "test_refit": self.test_refit}

    def classified(self, part: Part) -> Metrics | None:
        """Metrics of a part in the row of a classifier; None in rows of other problems."""
        metrics = self.parts[part]
        return metrics if isinstance(metrics, Metrics) else None

    def of_classes(self, part: Part) -> list[ClassMetrics] | None:
        """Figures of each class, or of each of several labels; None where a row has none."""
        metrics = self.parts[part]
        return metrics.per_class if isinstance(metrics, Metrics | MultiLabelMetrics) else None

    def with_parts(self, metrics: Mapping[Part, AnyMetrics]) -> "Row":
        """The row with other metrics of some parts."""
        return dataclasses.replace(
            self,
            val=metrics.get("val", self.val),
            test=metrics.get("test", self.test),
            test_refit=metrics.get("test_refit", self.test_refit),
        )

    @property
    def tested(self) -> bool:
        """True if the run was evaluated on test."""
        return self.test is not None or self.test_refit is not None

    @property
    def fits(self) -> int:
        """Number of fits in the times of the row: two under `refit`, one a fold."""
        folds = (self.config.get("run") or {}).get("folds") if self.cross_validated else None
        return folds or (2 if self.protocol == "refit" else 1)

    @property
    def fit_seconds(self) -> float | None:
        """Training seconds of one fit, the mean where there are several."""
        return None if self.train_seconds is None else self.train_seconds / self.fits

    @property
    def fit_vectors_seconds(self) -> float | None:
        """Seconds in which the word vectors of one fit were learnt."""
        return None if self.vectors_seconds is None else self.vectors_seconds / self.fits

    @property
    def claimed(self) -> bool:
        """True if others published the predictions."""
        return self.origin == "claimed"

    @property
    def members(self) -> tuple[str, ...]:
        """Experiments that an ensemble combines; none for a model."""
        named = self.config.get(ENSEMBLE)
        return tuple(str(one).partition("@")[0] for one in named) if isinstance(named, list) else ()

    @property
    def cross_validated(self) -> bool:
        """True if the run was cross-validated within train: it left predictions, but no model."""
        return self.protocol == FOLDS

    @property
    def settings_hash(self) -> str:
        """Hash of the settings under today's names; `config_hash` where they were not kept."""
        return config_hash(self.config) if self.config else self.config_hash
