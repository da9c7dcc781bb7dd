"""Comparison of two benchmarks: differences in accuracy and their significance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config.identity import differing_settings
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import Part, Problem, ResultsError, Row
from experiments.records.run_files import read_rows
from experiments.statistics.changes import Change, Comparison
from experiments.statistics.pairwise_tests import differences, holm_correction
from experiments.statistics.reading import read_run_predictions
from experiments.statistics.seeds import Pool, pool
from experiments.statistics.table import check_same_reviews, known_groups
from experiments.statistics.totals import Totals, count

Key = tuple[str, str | None]  # experiment, and the reviews kept out of training
_PROTOCOLS: dict[Part, str] = {"test": "holdout", "test_refit": "refit", "val": "holdout"}
_PROBLEM: Problem = "classification"  # whose accuracies are compared
_ALIKE = ("corpus", "profile", "settings_hash", "precision", "train_rows", "git_commit")
_MACHINE = ("cpu", "cores", "threads", "gpu", "gpus")


@dataclass(frozen=True, eq=False)
class _Pair:
    """Runs of an experiment in A and in B on the same reviews.

    Attributes:
        name: The experiment.
        rows: Rows of the seeds that both have.
        parts: Part of the predictions of A, and of B.
        correct: bool[S, N] by side.
        groups: int[N]; None if each row is alone.
        deterministic: Sides whose model no seed changes.
    """

    name: str
    rows: list[tuple[Row, Row]]
    parts: tuple[Part, Part]
    correct: dict[str, NDArray[np.bool_]]
    groups: NDArray[np.int64] | None
    deterministic: list[str]

    @property
    def table(self) -> tuple[Any, ...]:
        """Key of the runs whose variances over seeds are pooled."""
        row = self.rows[0][0]
        return self.parts, row.corpus_fingerprint, row.excluded


def compare(first: Path, second: Path, level: float = 0.95) -> Comparison:
    """Compare the experiments of B with those of A on the seeds that both have.

    Experiments match if name and excluded reviews are the same; each protocol under which both
    were tested is compared. Two folders of one experiment each are compared whatever their names
    are.

    Args:
        first: A: a benchmark folder, a run folder, a published folder or table.
        second: B.
        level: Confidence of intervals and tests.

    Raises:
        ResultsError: No experiment or no seed is in both, runs were evaluated on different reviews
            (both fingerprints are named), or rows or predictions cannot be read.
    """
    sides = {"A": _by_key(first, "A"), "B": _by_key(second, "B")}
    one, two = sides["A"], sides["B"]
    pairs = [(key, key) for key in one if key in two]
    if not pairs and len(one) == len(two) == 1:
        pairs = [(next(iter(one)), next(iter(two)))]
    if not pairs:
        named = [
            f"{side} has {', '.join(map(_name, experiments))}"
            for side, experiments in sides.items()
        ]
        raise ResultsError(
            f"no experiment is in both: {'; '.join(named)}; compare benchmarks that share one"
        )
    missing = [
        f"{side} lacks {_name(key)}"
        for side, keys, lacking in (
            ("B", one, {k for k, _ in pairs}),
            ("A", two, {k for _, k in pairs}),
        )
        for key in keys
        if key not in lacking
    ]
    found = list[_Pair]()
    for a, b in pairs:
        both = sorted(one[a].keys() & two[b].keys())
        name = _name(a) if a == b else f"{_name(a)} → {_name(b)}"
        for side, seeds in (
            ("A", two[b].keys() - one[a].keys()),
            ("B", one[a].keys() - two[b].keys()),
        ):
            if seeds:
                missing.append(f"{side} lacks seed {_list(seeds)} of {name}")
        if not both:
            raise ResultsError(
                f"{name}: no seed is in both; A has {_list(one[a])}, B has {_list(two[b])}; run "
                "the missing ones with --seeds"
            )
        rows = [(one[a][s], two[b][s]) for s in both]
        for parts in _common_parts(rows):
            having = _having(rows, parts)
            label = " → ".join(dict.fromkeys((a[0], b[0])))
            found.append(_pair(label, having, parts, (first, second)))
            if seeds := set(both) - {one.seed for one, _ in having}:
                missing.append(
                    f"seed {_list(seeds)} of {name} is not compared under {_protocol(parts)}: not "
                    "both have its predictions"
                )
    pools = _pools(found)
    changes = [_change(pair, level, pools[pair.table]) for pair in found]
    tested = [at for at, change in enumerate(changes) if not change.difference.reviews_only]
    corrected = holm_correction(np.array([changes[at].difference.p for at in tested]))
    for at, p in zip(tested, corrected, strict=True):
        changes[at] = _with_correction(changes[at], p, level)
    return Comparison(sorted(changes, key=lambda change: -change.first), missing)


def _by_key(folder: Path, side: str) -> dict[Key, dict[int, Row]]:
    experiments: dict[Key, dict[int, Row]] = {}
    done = [row for row in read_rows(folder) if row.status == "ok"]
    for row in done:
        if row.problem != _PROBLEM:
            continue
        seeds = experiments.setdefault((row.experiment, row.excluded), {})
        if row.seed in seeds:
            other = seeds[row.seed]
            raise ResultsError(
                f"{side} ({folder}): {row.experiment}, seed {row.seed} has rows for "
                f"{_source(other)} and for {_source(row)}; name a folder or table of one task, "
                "corpus and profile"
            )
        seeds[row.seed] = row
    if done and not experiments:
        raise ResultsError(
            f"{side} ({folder}): all runs are of {done[0].problem}, and only accuracies are "
            f"compared; `lit-sentiment report {folder}` shows their figures with intervals"
        )
    if not experiments:
        raise ResultsError(f"{side} ({folder}): no run gave a result; run it again with --retry")
    return experiments


def _common_parts(rows: list[tuple[Row, Row]]) -> list[tuple[Part, Part]]:
    """Parts of A and of B to compare: those of test that both have, else the one that each has."""
    same: list[tuple[Part, Part]] = [("test", "test"), ("test_refit", "test_refit")]
    crossed: list[tuple[Part, Part]] = [("test", "test_refit"), ("test_refit", "test")]
    for choice in (same, crossed):
        if found := [parts for parts in choice if _having(rows, parts)]:
            return found
    return [("val", "val")]


def _having(rows: list[tuple[Row, Row]], parts: tuple[Part, Part]) -> list[tuple[Row, Row]]:
    """Pairs of rows that have these parts of A and of B."""
    return [(one, two) for one, two in rows if one.parts[parts[0]] and two.parts[parts[1]]]


def _protocol(parts: tuple[Part, Part]) -> str:
    return " → ".join(dict.fromkeys(_PROTOCOLS[part] for part in parts))


def _pair(
    name: str, rows: list[tuple[Row, Row]], parts: tuple[Part, Part], folders: tuple[Path, Path]
) -> _Pair:
    right: dict[str, list[np.ndarray]] = {"B": [], "A": []}
    runs: list[tuple[Row, Predictions]] = []
    for both in rows:
        for side, row, folder, part in zip("AB", both, folders, parts, strict=True):
            predictions = read_run_predictions(row, folder)[part]
            runs.append((row, predictions))
            right[side].append(predictions.predicted(row.threshold) == predictions.labels)
    check_same_reviews(runs, parts[0])
    correct = {side: np.stack(values) for side, values in right.items()}
    groups = known_groups(predictions for _, predictions in runs)
    fixed = [side for side, row in zip("AB", rows[0], strict=True) if row.deterministic]
    return _Pair(name, rows, parts, correct, groups, fixed)


def _pools(pairs: list[_Pair]) -> dict[tuple[Any, ...], Pool]:
    """Variance over seeds that the experiments of both sides share, as those of a table do."""
    models: dict[tuple[Any, ...], list[Totals]] = {pair.table: [] for pair in pairs}
    for pair in pairs:
        one, two = pair.correct["A"], pair.correct["B"]
        # The same runs on both sides are known once.
        for correct in [one] if np.array_equal(one, two) else [one, two]:
            models[pair.table].append(count(correct, pair.groups))
    return {table: pool(found) for table, found in models.items()}


def _change(pair: _Pair, level: float, shared: Pool) -> Change:
    seeds = tuple(one.seed for one, _ in pair.rows)
    correct = pair.correct
    [difference] = differences(
        correct, level, {"A": seeds, "B": seeds}, pair.groups, pair.deterministic, shared
    )
    return Change(
        experiment=pair.name,
        protocol=_protocol(pair.parts),
        excluded=pair.rows[0][0].excluded,
        part=pair.parts[0],
        seeds=seeds,
        first=float(correct["A"].mean()),
        second=float(correct["B"].mean()),
        difference=difference,
        worse=False,
        better=False,
        settings=tuple(_settings(*pair.rows[0])),
    )


def _with_correction(change: Change, p: float, level: float) -> Change:
    different = bool(p <= 1 - level + 1e-12)
    gap = change.difference.difference
    return dataclasses.replace(
        change,
        difference=dataclasses.replace(change.difference, p_holm=float(p), different=different),
        worse=different and gap < 0,
        better=different and gap > 0,
    )


def _settings(one: Row, two: Row) -> Iterable[str]:
    """Differences between the rows of the lowest seed, apart from results."""
    for name in _ALIKE:
        yield from _difference(name, getattr(one, name), getattr(two, name))
    for package in sorted(one.versions.keys() | two.versions.keys()):
        yield from _difference(
            f"version of {package}", one.versions.get(package), two.versions.get(package)
        )
    for name in _MACHINE:
        yield from _difference(f"machine's {name}", one.hardware.get(name), two.hardware.get(name))
    if one.settings_hash != two.settings_hash and one.config and two.config:
        yield from (f"setting {text}" for text in differing_settings(one.config, two.config))


def _difference(name: str, one: Any, two: Any) -> Iterable[str]:
    if one != two:
        yield f"{name}: {one} → {two}"


def _source(row: Row) -> str:
    return f"{row.task or row.corpus} ({row.profile}, {row.corpus_fingerprint})"


def _name(key: Key) -> str:
    name, excluded = key
    return name + (f" (without {excluded})" if excluded else "")


def _list(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
