"""Tables of rows: a line for each experiment, over its seeds.

Terminal, Markdown and HTML all show these tables; nothing here depends on the format.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from experiments.records.counts import Counts
from experiments.records.row import Part, Problem, Row
from experiments.report.columns import (
    ACCURACY,
    MAIN,
    QUALITY,
    Column,
    Statistic,
    columns_of,
    count_columns,
    shown,
    statistic,
)
from experiments.report.facts import (
    CLAIMED,
    OTHER,
    check_equal_settings,
    describe_variant,
    facts,
    warnings,
)
from experiments.statistics.intervals import Interval
from experiments.statistics.ranks import Rank
from experiments.statistics.table import Analysis, analysed_part

Key = tuple[str, int]  # experiment and seed


@dataclass(frozen=True, eq=False)
class Evidence:
    """Statistics of the predictions behind rows.

    Attributes:
        analyses: Statistics of each part that has predictions.
        notes: Sentences about rows that are not among them.
        unverified: Rows whose predictions are missing, or do not give the figures in the row.
        largest_class: Share of the largest class in each part that rows were evaluated on.
        intervals: 95% intervals of figures that have no letters, by column and experiment.
    """

    analyses: dict[Part, Analysis] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unverified: frozenset[Key] = frozenset()
    largest_class: dict[Part, float] = field(default_factory=dict)
    intervals: dict[str, dict[str, Interval]] = field(default_factory=dict)


Analyse = Callable[[list[Row], list[Part]], Evidence]


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
        intervals: 95% interval of each accuracy, or perplexity, by column key; none without
            predictions.
        groups: Group letters by column key; experiments that share one do not differ significantly.
        ranks: Rank by the same keys; none for an experiment that is not tested.
        interval: Interval of the accuracy that the table is sorted by.
        group: Letters of the same.
        unverified: The seeds whose predictions are missing, or do not give the metrics in the row:
            these are not among `values`.
    """

    experiment: str
    architecture: str
    seeds: tuple[int, ...]
    values: dict[str, Statistic | None]
    rows: tuple[Row, ...]
    family: str = OTHER
    intervals: dict[str, Interval] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, Rank] = field(default_factory=dict)
    interval: Interval | None = None
    group: str = ""
    unverified: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """Name with a mark if the predictions are others'; the table's notes explain it."""
        return self.experiment + (CLAIMED if self.rows[0].claimed else "")


@dataclass(frozen=True)
class Table:
    """Comparable experiments: the same corpus fingerprint, task, profile and kind of rows.

    Attributes:
        corpus: Name of the corpus.
        fingerprint: Fingerprint of the corpus; None if every run ended before reading it.
        task: Name and version of the evaluation; None for a user's own corpus.
        profile: For example `quick`.
        variant: What else sets the rows apart, such as `without robustness` or `cross-validated`.
        facts: Name and text of facts about the whole table: corpus, machine, versions, …
        notes: Warnings: on the corpus, the profile, different machines.
        columns: The measured columns.
        lines: Lines by falling test accuracy; those without one at the end, by validation accuracy.
        best: Experiments with the best shown value by column key; empty for a single experiment.
        without_result: Failed and skipped runs.
        analyses: Statistics of the predictions that there are, by the column of their accuracy.
        largest_class: Accuracy in percent of always naming the largest class, by the same columns;
            empty without predictions.
    """

    corpus: str
    fingerprint: str | None
    task: str | None
    profile: str
    variant: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    best: dict[str, frozenset[str]]
    without_result: tuple[Row, ...]
    analyses: dict[str, Analysis] = field(default_factory=dict)
    largest_class: dict[str, float] = field(default_factory=dict)

    @property
    def analysis(self) -> Analysis | None:
        """Statistics of the accuracy that the table is sorted by."""
        return self.analyses[self.accuracy_key] if self.accuracy_key else None

    @property
    def accuracy_key(self) -> str | None:
        """Column of that accuracy; None without predictions."""
        return next((key for key in ACCURACY.values() if key in self.analyses), None)

    @property
    def intervals(self) -> list[Interval]:
        """Intervals of all accuracies."""
        return [one for line in self.lines for one in line.intervals.values()]

    @property
    def untested(self) -> bool:
        """True if an accuracy has no letter, because it is of one seed of a model that draws."""
        return any(analysis.untested for analysis in self.analyses.values())

    @property
    def problem(self) -> Problem:
        """Kind of problem of its rows."""
        rows = [row for line in self.lines for row in line.rows] or self.without_result
        return rows[0].problem

    @property
    def with_interval(self) -> set[str]:
        """Columns that have intervals."""
        return {key for line in self.lines for key in line.intervals}

    @property
    def title(self) -> str:
        """Name of the table: task or corpus, profile and variant."""
        # A task names its problem itself.
        problem = "" if self.task or self.problem == "classification" else self.problem
        parts = (self.task or self.corpus, problem, f"profile {self.profile}", self.variant)
        return ", ".join(part for part in parts if part)


def build_tables(
    rows: list[Row], counted: Counts | None = None, analyse: Analyse | None = None
) -> list[Table]:
    """Split rows into comparable groups and build the table of each.

    Args:
        rows: Rows of any corpora and profiles.
        counted: Looks and trials of the experiments, if they are known.
        analyse: Analyses the predictions of finished rows; without it there are no intervals.

    Returns:
        A table for each (corpus, problem, task, profile, variant). Runs without a corpus are in
        the first.

    Raises:
        ResultsError: The seeds of an experiment have unequal settings.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.corpus_fingerprint is None):
        first = (row.corpus, row.profile, row.problem)
        key = (*first, row.corpus_fingerprint, row.task, describe_variant(row))
        if row.corpus_fingerprint is None:
            key = next((known for known in groups if known[:3] == first), key)
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups.items(), key=lambda group: tuple(map(str, group[0])))
    return [_table(group, counted or {}, analyse) for _, group in ordered]


def _table(rows: list[Row], counted: Counts, analyse: Analyse | None) -> Table:
    done = [row for row in rows if row.status == "ok"]
    check_equal_settings(done)
    main = analysed_part(done)
    parts: list[Part] = [main] if main == "test_refit" else [main, "test_refit"]
    evidence = analyse(done, parts) if analyse else Evidence()
    analyses = {ACCURACY[part]: found for part, found in evidence.analyses.items()}
    problem = (done or rows)[0].problem
    every = (*columns_of(problem), *count_columns(counted))
    columns = tuple(column for column in every if shown(column, done))
    names = sorted({row.experiment for row in done})
    lines = [
        _line(
            [row for row in done if row.experiment == name],
            columns,
            analyses,
            evidence.unverified,
            {key: found[name] for key, found in evidence.intervals.items() if name in found},
        )
        for name in names
    ]
    by_key = {column.key: column for column in columns}
    mains = [by_key[key] for key in MAIN[problem].values() if key in by_key]
    lines.sort(key=lambda line: _rank(line, mains))
    lost = sorted(
        (row for row in rows if row.status != "ok"), key=lambda row: (row.experiment, row.seed)
    )
    first = (done or rows)[0]
    return Table(
        corpus=first.corpus,
        fingerprint=first.corpus_fingerprint,
        task=first.task,
        profile=first.profile,
        variant=describe_variant(first),
        facts=tuple(facts(rows, counted)),
        notes=(*warnings(rows), *evidence.notes),
        columns=columns,
        lines=tuple(lines),
        best={column.key: _best(column, lines) for column in columns},
        without_result=tuple(lost),
        analyses=analyses,
        largest_class={ACCURACY[part]: 100 * one for part, one in evidence.largest_class.items()},
    )


def _line(
    rows: list[Row],
    columns: tuple[Column, ...],
    analyses: dict[str, Analysis],
    unverified: frozenset[Key],
    further: dict[str, Interval],
) -> Line:
    rows = sorted(rows, key=lambda row: row.seed)
    name = rows[0].experiment
    verified = [row for row in rows if (name, row.seed) not in unverified]
    without = tuple(row.seed for row in rows if (name, row.seed) in unverified)
    intervals = {k: a.intervals[name] for k, a in analyses.items() if name in a.intervals}
    groups = {k: a.letters[name] for k, a in analyses.items() if name in a.letters}
    main = next((key for key in ACCURACY.values() if key in analyses), "")
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
        intervals=intervals | further,
        groups=groups,
        ranks={key: a.ranks[name] for key, a in analyses.items() if name in a.ranks},
        interval=intervals.get(main),
        group=groups.get(main, ""),
        unverified=without,
    )


def _rank(line: Line, columns: list[Column]) -> tuple:
    """Key by which lines are sorted: the best first, those without a figure last."""
    signs = [(line.values[column.key], -1 if column.better == "high" else 1) for column in columns]
    return (*(sign * one.mean if one else math.inf for one, sign in signs), line.experiment)


def _best(column: Column, lines: list[Line]) -> frozenset[str]:
    """Experiments with the best value after rounding, as shown."""
    shown = {
        line.experiment: round(value.mean, column.decimals)
        for line in lines
        if (value := line.values[column.key]) is not None
    }
    if len(shown) < 2 or column.better is None:
        return frozenset()
    top = max(shown.values()) if column.better == "high" else min(shown.values())
    return frozenset(name for name, value in shown.items() if value == top)
