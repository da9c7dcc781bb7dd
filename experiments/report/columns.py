"""Measured columns of the tables, with their values over seeds."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.records.counts import Counts
from experiments.records.metrics import Metrics
from experiments.records.problems.language_metrics import LanguageMetrics
from experiments.records.problems.tagging_metrics import TaggingMetrics
from experiments.records.row import AnyMetrics, Part, Problem, Row

MIB = 2**20


@dataclass(frozen=True)
class Statistic:
    """Value over the seeds of an experiment.

    Attributes:
        mean: Mean over the seeds that have the value.
        sd: Sample standard deviation; None for a single value.
        n: Number of seeds that have the value.
    """

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Column:
    """Measured column.

    Attributes:
        key: Name in the code.
        title: Heading.
        unit: Unit in the heading; empty for a count.
        value: Value of a row, in `unit`; None if it was not measured.
        decimals: Digits after the decimal point.
        better: Whether high or low values are better; None: neither.
        spread: Whether to show the spread over seeds.
    """

    key: str
    title: str
    unit: str
    value: Callable[[Row], float | None]
    decimals: int
    better: Literal["high", "low"] | None
    spread: bool = True

    @property
    def scale(self) -> float:
        """Factor from an interval's numbers to the unit."""
        return 100 if self.unit == "%" else 1

    def number(self, value: float) -> str:
        """Format a value alone."""
        return f"{value:,.{self.decimals}f}"

    def text(self, statistic: Statistic | None, seeds: int = 1) -> str:
        """Format a value with its spread, and with its number of seeds if some lack it."""
        if statistic is None:
            return "–"
        text = f"{statistic.mean:,.{self.decimals}f}"
        if self.spread and statistic.sd is not None:
            text += f" ± {statistic.sd:,.{self.decimals}f}"
        return text + (f" ({statistic.n} of {seeds})" if statistic.n < seeds else "")


def _metric(split: str, name: str, scale: float = 1) -> Callable[[Row], float | None]:
    def value(row: Row) -> float | None:
        metrics: AnyMetrics | None = getattr(row, split)
        number = getattr(metrics, name) if metrics else None
        return None if number is None else number * scale

    return value


def _field(name: str, scale: float = 1) -> Callable[[Row], float | None]:
    def value(row: Row) -> float | None:
        number = getattr(row, name)
        return None if number is None else number * scale

    return value


def _balanced_accuracy(split: str) -> Callable[[Row], float | None]:
    """In percent; None where the classes have about as many rows: it is then the accuracy."""

    def value(row: Row) -> float | None:
        metrics: Metrics | None = getattr(row, split)
        number = metrics.balanced_accuracy if metrics and metrics.unbalanced else None
        return None if number is None else 100 * number

    return value


def _f1_of(kind: str) -> Callable[[Row], float | None]:
    """F1 of a kind of tags, in percent: on test, or on validation where the row has no test."""

    def value(row: Row) -> float | None:
        metrics = row.test or row.val
        number = metrics.of_kind(kind) if isinstance(metrics, TaggingMetrics) else None
        return None if number is None else 100 * number

    return value


_VAL, _TEST = _balanced_accuracy("val"), _balanced_accuracy("test")
_CLASSIFICATION = (
    Column("val_accuracy", "Validation accuracy", "%", _metric("val", "accuracy", 100), 2, "high"),
    Column("test_accuracy", "Test accuracy", "%", _metric("test", "accuracy", 100), 2, "high"),
    Column("refit_accuracy", "Refit", "%", _metric("test_refit", "accuracy", 100), 2, "high"),
    Column("val_f1", "Validation F1", "%", _metric("val", "f1", 100), 2, "high"),
    Column("val_balanced_accuracy", "Validation balanced accuracy", "%", _VAL, 2, "high"),
    Column("val_auroc", "Validation AUROC", "%", _metric("val", "auroc", 100), 2, "high"),
    Column("val_log_loss", "Validation log loss", "nats", _metric("val", "log_loss"), 4, "low"),
    Column("val_ece", "Validation ECE", "%", _metric("val", "ece", 100), 2, "low"),
    Column("val_mae", "Validation MAE", "", _metric("val", "mae"), 3, "low"),
    Column("f1", "F1", "%", _metric("test", "f1", 100), 2, "high"),
    Column("balanced_accuracy", "Balanced accuracy", "%", _TEST, 2, "high"),
    Column("auroc", "AUROC", "%", _metric("test", "auroc", 100), 2, "high"),
    Column("log_loss", "Log loss", "nats", _metric("test", "log_loss"), 4, "low"),
    Column("refit_log_loss", "Refit log loss", "nats", _metric("test_refit", "log_loss"), 4, "low"),
    Column("ece", "ECE", "%", _metric("test", "ece", 100), 2, "low"),
    Column("mae", "MAE", "", _metric("test", "mae"), 3, "low"),
    Column("refit_mae", "Refit MAE", "", _metric("test_refit", "mae"), 3, "low"),
)
_SEVERAL = (
    Column("val_micro_f1", "Validation micro F1", "%", _metric("val", "micro_f1", 100), 2, "high"),
    Column("test_micro_f1", "Micro F1", "%", _metric("test", "micro_f1", 100), 2, "high"),
    Column("refit_micro_f1", "Refit", "%", _metric("test_refit", "micro_f1", 100), 2, "high"),
    Column("val_macro_f1", "Validation macro F1", "%", _metric("val", "f1", 100), 2, "high"),
    Column("test_macro_f1", "Macro F1", "%", _metric("test", "f1", 100), 2, "high"),
    Column(
        "val_all_right", "Validation all right", "%", _metric("val", "accuracy", 100), 2, "high"
    ),
    Column("test_all_right", "All right", "%", _metric("test", "accuracy", 100), 2, "high"),
    Column("val_several_auroc", "Validation AUROC", "%", _metric("val", "auroc", 100), 2, "high"),
    Column("test_several_auroc", "AUROC", "%", _metric("test", "auroc", 100), 2, "high"),
    Column("val_binary_loss", "Validation log loss", "nats", _metric("val", "log_loss"), 4, "low"),
    Column("test_binary_loss", "Log loss", "nats", _metric("test", "log_loss"), 4, "low"),
)
_LANGUAGE = (
    Column("val_perplexity", "Validation perplexity", "", _metric("val", "perplexity"), 1, "low"),
    Column("test_perplexity", "Perplexity", "", _metric("test", "perplexity"), 1, "low"),
    Column("bits", "Bits a character", "", _metric("test", "bits_per_character"), 3, "low"),
)
_TRANSCRIPTION = (
    Column("val_per", "Validation PER", "%", _metric("val", "symbol_error_rate", 100), 2, "low"),
    Column("val_wer", "Validation WER", "%", _metric("val", "string_error_rate", 100), 2, "low"),
    Column("test_per", "PER", "%", _metric("test", "symbol_error_rate", 100), 2, "low"),
    Column("test_wer", "WER", "%", _metric("test", "string_error_rate", 100), 2, "low"),
)
_TAGGING = (
    Column("val_tag_f1", "Validation F1", "%", _metric("val", "f1", 100), 2, "high"),
    Column("tag_f1", "F1", "%", _metric("test", "f1", 100), 2, "high"),
    Column("f1_comma", "Comma", "%", _f1_of("comma"), 2, "high"),
    Column("f1_period", "Period", "%", _f1_of("period"), 2, "high"),
    Column("f1_question", "Question mark", "%", _f1_of("question mark"), 2, "high"),
    Column("f1_exclamation", "Exclamation mark", "%", _f1_of("exclamation mark"), 2, "high"),
    Column("f1_capitals", "Capitals", "%", _f1_of("capitals"), 2, "high"),
    Column("val_tag_loss", "Validation log loss", "nats", _metric("val", "log_loss"), 4, "low"),
    Column("tag_loss", "Log loss", "nats", _metric("test", "log_loss"), 4, "low"),
)
_COSTS = (
    Column("parameters", "Parameters", "", _field("parameters"), 0, "low", spread=False),
    Column("train_seconds", "Training", "s", _field("fit_seconds"), 1, "low"),
    Column("seconds_to_best", "To best epoch", "s", _field("seconds_to_best"), 1, "low"),
    Column("latency", "Latency p50", "ms", _field("latency_ms_p50"), 2, "low"),
    Column("throughput", "Throughput", "texts/s", _field("reviews_per_second"), 0, "high"),
    Column("memory", "Peak memory", "MiB", _field("peak_memory_bytes", 1 / MIB), 0, "low"),
    Column("size", "Size", "MiB", _field("checkpoint_bytes", 1 / MIB), 2, "low", spread=False),
)


def peak_share(row: Row) -> float | None:
    """Share of the measured peak in training, in percent; its operations are 3 forward passes."""
    peak, rate, flops = (
        row.hardware.get("fastest_product"),
        row.train_tokens_per_second,
        row.flops_per_review,
    )
    if not (peak and rate and flops and isinstance(row.val, LanguageMetrics)):
        return None
    return 100 * 3 * flops * row.val.n / row.val.symbols * rate / float(peak)


_RATE = Column("rate", "Trained", "words/s", _field("train_tokens_per_second"), 0, "high")
_SHARE = Column("share", "Of the peak", "%", peak_share, 1, "high")
ACCURACY: dict[Part, str] = {
    "test": "test_accuracy",
    "test_refit": "refit_accuracy",
    "val": "val_accuracy",
}
"""Column of the accuracy of each part of the predictions."""
MAIN: dict[Problem, dict[Part, str]] = {
    "classification": ACCURACY,
    "multi-label classification": {
        "test": "test_micro_f1",
        "test_refit": "refit_micro_f1",
        "val": "val_micro_f1",
    },
    "language modelling": {"test": "test_perplexity", "val": "val_perplexity"},
    "transcription": {"test": "test_per", "val": "val_per"},
    "tagging": {"test": "tag_f1", "val": "val_tag_f1"},
}
"""Column that tables of each kind of problem are sorted by, by part of the outputs."""
STRING_ERRORS: dict[Part, str] = {"test": "test_wer", "val": "val_wer"}
"""Column of the word error rate of each part of the outputs."""
LOG_LOSS: dict[Part, str] = {"test": "log_loss", "test_refit": "refit_log_loss"}
"""Column of the log loss of each part of the test predictions."""
_OF_TEST = {"f1", "balanced_accuracy", "auroc", "log_loss", "ece", "mae"}
_OF_VALIDATION = {f"val_{key}" for key in _OF_TEST}
_BY_PROBLEM = (_CLASSIFICATION, _SEVERAL, _LANGUAGE, _TRANSCRIPTION, _TAGGING)
QUALITY = {column.key for columns in _BY_PROBLEM for column in columns}
"""Columns that follow from predictions: a row without its predictions shows none of them."""
_OPTIONAL = {"refit_accuracy", "refit_log_loss", "balanced_accuracy", "val_balanced_accuracy"}
_OPTIONAL |= {"mae", "val_mae", "refit_mae"}
_FURTHER = (
    Column("vectors_seconds", "Word vectors", "s", _field("fit_vectors_seconds"), 1, "low"),
    Column("flops", "Operations", "MFLOPs", _field("flops_per_review", 1e-6), 1, "low", False),
    Column(
        "gpu_memory", "Peak GPU memory", "MiB", _field("peak_gpu_memory_bytes", 1 / MIB), 0, "low"
    ),
    Column("energy", "Energy", "kJ", _field("energy_joules", 1e-3), 1, "low"),
)


def columns_of(problem: Problem) -> tuple[Column, ...]:
    """Columns that a table of a kind of problem may have."""
    return _COLUMNS[problem]


_COLUMNS: dict[Problem, tuple[Column, ...]] = {
    "classification": (*_CLASSIFICATION, *_COSTS, *_FURTHER),
    "multi-label classification": (*_SEVERAL, *_COSTS, *_FURTHER),
    "language modelling": (*_LANGUAGE, *_COSTS, _RATE, _SHARE, *_FURTHER),
    "transcription": (*_TRANSCRIPTION, *_COSTS, *_FURTHER),
    "tagging": (*_TAGGING, *_COSTS, _RATE, *_FURTHER),
}


def shown(column: Column, rows: Sequence[Row]) -> bool:
    """True if a table of some rows has a column.

    F1, AUROC, log loss and ECE are those on test or, where no row was tested, on validation. Most
    other columns are there if a row has a value.
    """
    if column.key in ("test_accuracy", *_OF_TEST, *_OF_VALIDATION):
        tested = any(row.tested for row in rows)
        if tested == (column.key in _OF_VALIDATION):
            return False
    always = column in (*_CLASSIFICATION, *_COSTS) and column.key not in _OPTIONAL
    return always or any(column.value(row) is not None for row in rows)


def count_columns(counted: Counts) -> tuple[Column, ...]:
    """Columns of the looks at the test split and of the trials on validation of an experiment."""

    def number(place: int) -> Callable[[Row], float | None]:
        return lambda row: counted[row.experiment][place] if row.experiment in counted else None

    return (
        Column("looks", "Looks", "", number(0), 0, None, spread=False),
        Column("trials", "Trials", "", number(1), 0, None, spread=False),
    )


def statistic(values: list[float | None]) -> Statistic | None:
    """Mean and, for at least two values, sample standard deviation, without None."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    spread = statistics.stdev(known) if len(known) > 1 else None
    return Statistic(statistics.fmean(known), spread, len(known))
