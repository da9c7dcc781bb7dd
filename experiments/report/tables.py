"""Tables of rows: a line for each experiment, over its seeds.

Terminal, Markdown and HTML all show these tables; nothing here depends on the format.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from experiments.records.counts import Counts
from experiments.records.metrics import Metrics
from experiments.records.row import Row
from experiments.report.facts import facts, warnings
from experiments.statistics.intervals import Interval
from experiments.statistics.table import Analysis

MIB = 2**20
# In the order of legends and filters; an architecture names its own in its class.
FAMILIES = (
    *("n-grams", "word vectors", "bags", "recurrent", "convolutional", "attention, capsules"),
    *("Transformers", "pretrained"),
)
OTHER = "other"
Key = tuple[str, int]  # experiment and seed
Analyse = Callable[[list[Row]], tuple[Analysis | None, list[str], frozenset[Key]]]


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
        better: Whether high or low values are better.
        spread: Whether to show the spread over seeds.
    """

    key: str
    title: str
    unit: str
    value: Callable[[Row], float | None]
    decimals: int
    better: Literal["high", "low"]
    spread: bool = True

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
        metrics: Metrics | None = getattr(row, split)
        number = getattr(metrics, name) if metrics else None
        return None if number is None else number * scale

    return value


def _field(name: str, scale: float = 1) -> Callable[[Row], float | None]:
    def value(row: Row) -> float | None:
        number = getattr(row, name)
        return None if number is None else number * scale

    return value


COLUMNS = (
    Column("val_accuracy", "Validation accuracy", "%", _metric("val", "accuracy", 100), 2, "high"),
    Column("test_accuracy", "Test accuracy", "%", _metric("test", "accuracy", 100), 2, "high"),
    Column("f1", "F1", "%", _metric("test", "f1", 100), 2, "high"),
    Column("auroc", "AUROC", "%", _metric("test", "auroc", 100), 2, "high"),
    Column("log_loss", "Log loss", "nats", _metric("test", "log_loss"), 4, "low"),
    Column("ece", "ECE", "%", _metric("test", "ece", 100), 2, "low"),
    Column("parameters", "Parameters", "", _field("parameters"), 0, "low", spread=False),
    Column("train_seconds", "Training", "s", _field("train_seconds"), 1, "low"),
    Column("seconds_to_best", "To best epoch", "s", _field("seconds_to_best"), 1, "low"),
    Column("latency", "Latency p50", "ms", _field("latency_ms_p50"), 2, "low"),
    Column("throughput", "Throughput", "reviews/s", _field("reviews_per_second"), 0, "high"),
    Column("memory", "Peak memory", "MiB", _field("peak_memory_bytes", 1 / MIB), 0, "low"),
    Column("size", "Size", "MiB", _field("checkpoint_bytes", 1 / MIB), 2, "low", spread=False),
)
QUALITY = {"val_accuracy", "test_accuracy", "f1", "auroc", "log_loss", "ece"}
"""Columns that follow from predictions: a row without its predictions shows none of them."""
# Shown if a row has them.
FURTHER = (
    Column("vectors_seconds", "Word vectors", "s", _field("vectors_seconds"), 1, "low"),
    Column("flops", "Operations", "MFLOPs", _field("flops_per_review", 1e-6), 1, "low", False),
    Column(
        "gpu_memory", "Peak GPU memory", "MiB", _field("peak_gpu_memory_bytes", 1 / MIB), 0, "low"
    ),
    Column("energy", "Energy", "kJ", _field("energy_joules", 1e-3), 1, "low"),
)


@dataclass(frozen=True)
class Line:
    """Line of a table: an experiment over its seeds.

    Attributes:
        experiment: Name of the experiment.
        architecture: Class name of the model.
        seeds: The seeds with a result.
        values: Value over seeds by column key; None if no seed has it.
        rows: The rows behind the line, by seed.
        family: Family of the architecture, for example `recurrent`.
        interval: 95% interval of the accuracy; None without predictions.
        group: Group letters; experiments that share one do not differ significantly.
        unverified: The seeds whose predictions are missing: their metrics are not among `values`.
    """

    experiment: str
    architecture: str
    seeds: tuple[int, ...]
    values: dict[str, Statistic | None]
    rows: tuple[Row, ...]
    family: str = OTHER
    interval: Interval | None = None
    group: str = ""
    unverified: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """Comparable experiments: the same corpus fingerprint, protocol and profile.

    Attributes:
        corpus: Name of the corpus.
        fingerprint: Fingerprint of the corpus; None if every run ended before reading it.
        protocol: `holdout` or `refit`.
        profile: For example `quick`.
        facts: Name and text of facts about the whole table: corpus, machine, versions, …
        notes: Warnings: on the corpus, the profile, different machines.
        columns: The measured columns.
        lines: Lines by falling test accuracy; those without one at the end, by validation accuracy.
        best: Experiments with the best shown value by column key; empty for a single experiment.
        without_result: Failed and skipped runs.
        analysis: Statistics of the predictions; None if they are not available.
    """

    corpus: str
    fingerprint: str | None
    protocol: str
    profile: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    best: dict[str, frozenset[str]]
    without_result: tuple[Row, ...]
    analysis: Analysis | None = None

    @property
    def accuracy_key(self) -> str | None:
        """Key of the accuracy that intervals and groups are about; None without an analysis."""
        return f"{self.analysis.split}_accuracy" if self.analysis else None


def build_tables(
    rows: list[Row], counted: Counts | None = None, analyse: Analyse | None = None
) -> list[Table]:
    """Split rows into comparable groups and build the table of each.

    Args:
        rows: Rows of any corpora, protocols and profiles.
        counted: Looks and trials of the experiments, if they are known.
        analyse: Function that analyses finished rows and names those whose figures are unverified;
            without it there are no intervals.

    Returns:
        A table for each (corpus fingerprint, protocol, profile). A run that ended before reading
        the corpus is in the first table of its corpus name, protocol and profile.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.corpus_fingerprint is None):
        key = (row.corpus, row.protocol, row.profile, row.corpus_fingerprint)
        if row.corpus_fingerprint is None:
            key = next((known for known in groups if known[:3] == key[:3]), key)
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups.items(), key=lambda group: tuple(map(str, group[0])))
    return [_table(group, counted or {}, analyse) for _, group in ordered]


def statistic(values: list[float | None]) -> Statistic | None:
    """Mean and, for at least two values, sample standard deviation, without None."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    spread = statistics.stdev(known) if len(known) > 1 else None
    return Statistic(statistics.fmean(known), spread, len(known))


def order_families(families: Iterable[str]) -> list[str]:
    """Put families, each once, into the order of `FAMILIES`; unknown ones come last."""
    known = dict.fromkeys(families)
    rest = [name for name in known if name not in FAMILIES]
    return [name for name in FAMILIES if name in known] + rest


def _table(rows: list[Row], counted: Counts, analyse: Analyse | None) -> Table:
    done = [row for row in rows if row.status == "ok"]
    analysis, left_out, unverified = analyse(done) if analyse else (None, [], frozenset())
    known = [c for c in FURTHER if any(c.value(row) is not None for row in done)]
    columns = (*COLUMNS, *known)
    names = sorted({row.experiment for row in done})
    lines = [
        _line([row for row in done if row.experiment == name], columns, analysis, unverified)
        for name in names
    ]
    lines.sort(key=_rank)
    lost = sorted(
        (row for row in rows if row.status != "ok"), key=lambda row: (row.experiment, row.seed)
    )
    first = (done or rows)[0]
    return Table(
        corpus=first.corpus,
        fingerprint=first.corpus_fingerprint,
        protocol=first.protocol,
        profile=first.profile,
        facts=tuple(facts(rows, counted)),
        notes=(*warnings(rows), *left_out),
        columns=columns,
        lines=tuple(lines),
        best={column.key: _best(column, lines) for column in columns},
        without_result=tuple(lost),
        analysis=analysis,
    )


def _line(
    rows: list[Row],
    columns: tuple[Column, ...],
    analysis: Analysis | None,
    unverified: frozenset[Key],
) -> Line:
    rows = sorted(rows, key=lambda row: row.seed)
    name = rows[0].experiment
    verified = [row for row in rows if (name, row.seed) not in unverified]
    without = tuple(row.seed for row in rows if (name, row.seed) in unverified)
    return Line(
        experiment=name,
        architecture=" / ".join(dict.fromkeys(row.architecture for row in rows)),
        seeds=tuple(row.seed for row in rows),
        values={
            column.key: statistic(
                [column.value(row) for row in (verified if column.key in QUALITY else rows)]
            )
            for column in columns
        },
        rows=tuple(rows),
        family=rows[0].family,
        interval=analysis.intervals.get(name) if analysis else None,
        group=analysis.letters.get(name, "") if analysis else "",
        unverified=without,
    )


def _rank(line: Line) -> tuple:
    test, val = line.values["test_accuracy"], line.values["val_accuracy"]
    return (-test.mean if test else 1, -val.mean if val else 1, line.experiment)


def _best(column: Column, lines: list[Line]) -> frozenset[str]:
    """Experiments with the best value after rounding, as shown."""
    shown = {
        line.experiment: round(value.mean, column.decimals)
        for line in lines
        if (value := line.values[column.key]) is not None
    }
    if len(shown) < 2:
        return frozenset()
    top = max(shown.values()) if column.better == "high" else min(shown.values())
    return frozenset(name for name, value in shown.items() if value == top)
