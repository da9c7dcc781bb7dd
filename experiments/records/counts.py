"""Looks at the test split and trials on validation behind the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from experiments.records import logs, test_log, tuning_log
from experiments.records.row import Row
from experiments.records.test_log import count_looks
from experiments.records.tuning_log import count_trials

Counts = dict[str, tuple[int, int]]
"""Looks and trials, by name of the experiment."""


def counts(rows: Iterable[Row], folder: Path = logs.RESULTS) -> Counts:
    """Count the looks (`test_log.count_looks`) and trials of each tested experiment.

    Those behind claimed rows are not known.

    Args:
        rows: Rows of tables.
        folder: Published folder with the two logs. Without a log of evaluations nothing is counted.

    Raises:
        ResultsError: A line of a log is not an entry.
    """
    looks = test_log.read(folder / logs.TEST_LOG)
    trials = tuning_log.read(folder / logs.TUNING_LOG)
    tested = {row.experiment for row in rows if row.tested and not row.claimed} if looks else set()
    return {name: (count_looks(looks, name), count_trials(trials, name)) for name in sorted(tested)}


def describe(numbers: Mapping[str, int], what: str) -> str:
    """Describe the looks or trials of experiments, most first; empty where nothing was counted.

    Args:
        numbers: Number by name of the experiment.
        what: `look` or `trial`.
    """
    names: dict[int, list[str]] = {}
    for name, number in numbers.items():
        names.setdefault(number, []).append(name)
    parts = [
        f"{', '.join(names[number])} {number or 'no'} {what}s"
        for number in sorted(names, reverse=True)
        if number != 1
    ]
    if 1 in names:
        parts.append(f"every {'other ' if parts else ''}experiment one {what}")
    return "; ".join(parts)
