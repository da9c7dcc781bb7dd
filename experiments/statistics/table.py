"""Statistics of a table, computed from the predictions of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import Part, ResultsError, Row
from experiments.statistics.calibration import (
    Bin,
    Scores,
    apply_temperature,
    fit_temperature,
    reliability,
    scores,
)
from experiments.statistics.groups import group_letters
from experiments.statistics.intervals import Interval, interval
from experiments.statistics.pairwise_tests import Difference, differences
from experiments.statistics.ranks import Rank, rank_models
from experiments.statistics.reading import read_run_predictions, rows_fingerprint
from experiments.statistics.totals import count


@dataclass(frozen=True)
class Calibration:
    """Calibration of an experiment on the test rows, before and after temperature scaling.

    Attributes:
        temperatures: One for each seed, fitted on the validation rows of its run.
        before: Scores before scaling, mean over seeds.
        after: Scores after scaling, mean over seeds.
        diagram_before: Reliability of the rows of all seeds together.
        diagram_after: The same after scaling.
    """

    temperatures: tuple[float, ...]
    before: Scores
    after: Scores
    diagram_before: list[Bin]
    diagram_after: list[Bin]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Statistics of a table.

    Attributes:
        part: The part of the predictions that was analysed.
        fingerprint: Hash of the ids and labels, which all rows share.
        ids: int64[N], ascending.
        labels: int64[N].
        groups: int64[N], the movie of each review; None if each row is alone.
        order: The experiments, the most accurate first.
        seeds: Seeds by experiment, ascending, one for each row of its arrays.
        correct: bool[S, N] by experiment.
        predicted: int64[S, N] predicted classes by experiment.
        probabilities: float[S, N, C] by experiment.
        intervals: Interval of the accuracy by experiment.
        differences: All pairs, in `order`.
        untested: Experiments that draw and have one seed. What another seed would give is not
            known, so they have no letters and no rank, and differ from none.
        letters: Letters by experiment; two share one if and only if they do not differ.
        ranks: Rank and chance of being first by experiment.
        calibration: Calibration by experiment, of part `test` alone: temperatures are fitted on
            validation rows, of which the second fit of `refit` and claimed rows have none.
        left_out: `experiment, seed n: reason` for ok rows that are not analysed.
    """

    part: Part
    fingerprint: str
    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    order: list[str]
    seeds: dict[str, tuple[int, ...]]
    correct: dict[str, NDArray[np.bool_]]
    predicted: dict[str, NDArray[np.int64]]
    probabilities: dict[str, NDArray[np.floating]]
    intervals: dict[str, Interval]
    differences: list[Difference]
    untested: tuple[str, ...]
    letters: dict[str, str]
    ranks: dict[str, Rank]
    calibration: dict[str, Calibration]
    left_out: tuple[str, ...]


def analysed_part(rows: Iterable[Row]) -> Part:
    """Part that most of what is shown of rows is about: `test` if any has it, else `test_refit`."""
    done = [row for row in rows if row.status == "ok"]
    parts: tuple[Part, ...] = ("test", "test_refit", "val")
    return next((part for part in parts if any(row.parts[part] for row in done)), "val")


def analyse(
    rows: Iterable[Row], folder: Path, level: float = 0.95, part: Part | None = None
) -> Analysis | None:
    """Compute the statistics of comparable rows.

    Args:
        rows: Rows of one corpus and profile, from `read_rows(folder)`. Failed and
            skipped ones are ignored.
        folder: Source of the rows: a benchmark, a run, a published folder or a .jsonl file.
        level: Confidence of intervals and tests.
        part: Part of the predictions; None: that of `analysed_part`.

    Returns:
        The statistics; None if no row has such predictions.

    Raises:
        ResultsError: Predictions are missing or changed, two rows have the same experiment and
            seed, or rows were evaluated on different reviews (both fingerprints are named).
    """
    done = [row for row in rows if row.status == "ok"]
    part = part or analysed_part(done)
    runs = [(r, read_run_predictions(r, folder) if r.parts[part] else {}) for r in done]
    return analyse_runs(runs, folder, level, part)


def analyse_runs(
    read: Iterable[tuple[Row, dict[Part, Predictions]]],
    folder: Path,
    level: float = 0.95,
    part: Part = "test",
) -> Analysis | None:
    """Compute the statistics of comparable rows whose predictions are read; see `analyse`."""
    runs = sorted(read, key=lambda run: (run[0].experiment, run[0].seed))
    left_out = tuple(
        f"{row.experiment}, seed {row.seed}: not tested"
        for row, _ in runs
        if part != "val" and not row.tested
    )
    runs = [(row, run) for row, run in runs if row.parts[part]]
    if not runs:
        return None
    for (row, _), (other, _) in pairwise(runs):
        if (row.experiment, row.seed) == (other.experiment, other.seed):
            raise ResultsError(
                f"{folder}: two rows of {row.experiment}, seed {row.seed}; analyse the rows of one "
                "corpus and profile at a time"
            )
    check_same_reviews([(row, run[part]) for row, run in runs], part)

    by_name: dict[str, list[tuple[Row, dict[Part, Predictions]]]] = {}
    for row, run in runs:
        by_name.setdefault(row.experiment, []).append((row, run))
    first = runs[0][1][part]
    probabilities = {
        name: np.stack([run[part].probabilities for _, run in group])
        for name, group in by_name.items()
    }
    predicted = {
        name: np.stack([run[part].predicted(row.threshold) for row, run in group])
        for name, group in by_name.items()
    }
    right = {name: classes == first.labels for name, classes in predicted.items()}
    order = sorted(right, key=lambda name: (-right[name].mean(), name))
    right = {name: right[name] for name in order}
    seeds = {name: tuple(row.seed for row, _ in by_name[name]) for name in order}
    groups = known_groups(run[part] for _, run in runs)
    deterministic = {row.experiment for row, _ in runs if row.deterministic}
    totals = {name: count(right[name], groups) for name in order}
    pairs = differences(right, level, seeds, groups, deterministic)
    tested = [name for name in order if len(seeds[name]) > 1 or name in deterministic]
    return Analysis(
        part=part,
        fingerprint=rows_fingerprint(first),
        ids=first.ids,
        labels=first.labels,
        groups=groups,
        order=order,
        seeds=seeds,
        correct=right,
        predicted={name: predicted[name] for name in order},
        probabilities={name: probabilities[name] for name in order},
        intervals={
            name: interval(totals[name], level, draws=name not in deterministic) for name in order
        },
        differences=pairs,
        untested=tuple(name for name in order if name not in tested),
        letters=group_letters(
            tested, {frozenset((p.first, p.second)) for p in pairs if not p.different}
        ),
        ranks=rank_models({name: totals[name] for name in tested}, level),
        calibration={
            name: _calibration([run for _, run in by_name[name]])
            for name in order
            if part == "test" and all("val" in run for _, run in by_name[name])
        },
        left_out=left_out,
    )


def check_same_reviews(runs: list[tuple[Row, Predictions]], part: Part) -> None:
    """Refuse runs that were evaluated for different tasks or on different reviews.

    Raises:
        ResultsError: Tasks, reviews, labels or corpora differ; both are named.
    """
    (row, one), *others = runs
    expected = rows_fingerprint(one)
    for other, two in others:
        fingerprint = rows_fingerprint(two)
        pair = f"{row.experiment} (seed {row.seed}) and {other.experiment} (seed {other.seed})"
        if row.task != other.task:
            raise ResultsError(
                f"{pair} were evaluated for the tasks {row.task} and {other.task}, whose splits or "
                "metrics differ; compare runs of one task"
            )
        if len(one.ids) != len(two.ids) or expected != fingerprint:
            raise ResultsError(
                f"{pair} were evaluated on different {part} rows: {len(one.ids):,} with "
                f"fingerprint {expected}, {len(two.ids):,} with {fingerprint}; compare runs of one "
                "corpus and size"
            )
        if row.corpus_fingerprint != other.corpus_fingerprint:
            raise ResultsError(
                f"{pair} read different corpora, with fingerprints {row.corpus_fingerprint} and "
                f"{other.corpus_fingerprint}; compare runs of one corpus"
            )


def known_groups(runs: Iterable[Predictions]) -> NDArray[np.int64] | None:
    """Groups of the reviews that runs share; older runs do not know them."""
    return next((one.groups for one in runs if one.groups is not None), None)


def _calibration(runs: list[dict[Part, Predictions]]) -> Calibration:
    temperatures = [fit_temperature(run["val"].labels, run["val"].probabilities) for run in runs]
    tests = [run["test"] for run in runs]
    labels = [test.labels for test in tests]
    before = [test.probabilities.astype(np.float64) for test in tests]
    after = [apply_temperature(values, t) for values, t in zip(before, temperatures, strict=True)]
    every = np.concatenate(labels)
    return Calibration(
        temperatures=tuple(temperatures),
        before=_mean([scores(*pair) for pair in zip(labels, before, strict=True)]),
        after=_mean([scores(*pair) for pair in zip(labels, after, strict=True)]),
        diagram_before=reliability(every, np.concatenate(before)),
        diagram_after=reliability(every, np.concatenate(after)),
    )


def _mean(values: list[Scores]) -> Scores:
    names = ("ece", "brier", "log_loss")
    return Scores(*(float(np.mean([getattr(one, name) for one in values])) for name in names))
