"""Groups of rows on which a model is significantly less accurate than on the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.statistics.pairwise_tests import holm_correction

LEAST_ROWS = 10
"""Fewest rows of a group that is tested, and fewest movies (or the like) of a wider one."""
_BANDS = 5


@dataclass(frozen=True)
class WeakGroup:
    """Group of rows under test.

    Attributes:
        kind: Kind of the group, such as `movie` or `words`.
        name: Its name, such as `tt0107290` or `1 to 124`.
        rows: Number of its rows.
        accuracy: Share of right predictions in it.
        rest: The same for all other rows.
        p: One-sided p-value of no lower accuracy than that of the others.
        p_holm: The same, corrected for the number of all tested groups (Holm 1979).
    """

    kind: str
    name: str
    rows: int
    accuracy: float
    rest: float
    p: float
    p_holm: float


def weak_groups(
    correct: NDArray[np.bool_],
    kinds: Mapping[str, tuple[NDArray[np.int64], Mapping[int, str]]],
    clusters: NDArray[np.int64] | None,
    level: float = 0.05,
) -> tuple[list[WeakGroup], int]:
    """Find the groups with a significantly lower accuracy than that of the rest.

    A movie, or another group whose rows belong together, is tested by Fisher's exact test: whether
    so few right answers come about where the rows of the group are drawn at random. Wider groups,
    such as all long texts, have rows of many movies; they are tested by a t-test of the difference
    of two shares, with a variance over movies, as rows of one movie are alike.

    Args:
        correct: bool[N], whether the prediction of each row is right.
        kinds: For each kind int64[N], the group of each row, -1 for none, and the groups' names.
        clusters: int64[N], movie or the like of each row; None: each row is alone.
        level: Largest corrected p-value of a weak group.

    Returns:
        The weak groups, the smallest p-value first, and the number of tested groups.
    """
    tested: list[WeakGroup] = []
    total, right = len(correct), int(correct.sum())
    for kind, (groups, names) in kinds.items():
        known = groups >= 0
        counts = np.bincount(groups[known], minlength=1)
        hits = np.bincount(groups[known], weights=correct[known], minlength=1).astype(np.int64)
        chosen = np.flatnonzero((counts >= LEAST_ROWS) & (counts < total))
        pairs: Iterable[tuple[int, float]]
        if clusters is None or _divide_alike(groups, clusters):
            exact = exact_p(total, right, counts, hits)
            pairs = zip(chosen.tolist(), exact[chosen].tolist(), strict=True)
        else:
            pairs = _clustered(correct, groups, clusters, chosen.tolist())
        for group, p in pairs:
            rows, good = int(counts[group]), int(hits[group])
            rest = (right - good) / (total - rows)
            tested.append(WeakGroup(kind, names[group], rows, good / rows, rest, p, p))
    if not tested:
        return [], 0
    corrected = holm_correction(np.array([one.p for one in tested]))
    found = [
        WeakGroup(**{**vars(one), "p_holm": float(p)})
        for one, p in zip(tested, corrected, strict=True)
        if p <= level
    ]
    return sorted(found, key=lambda one: one.p), len(tested)


def exact_p(
    total: int, right: int, rows: NDArray[np.int64], good: NDArray[np.int64]
) -> NDArray[np.float64]:
    """One-sided p-values of Fisher's exact test.

    Args:
        total: Number of all rows.
        right: Number of right ones.
        rows: int64[G], number of rows in each group.
        good: int64[G], number of right ones in each group.
    """
    p: NDArray[np.float64] = stats.hypergeom.cdf(good, total, right, rows)
    return p


def _clustered(
    correct: NDArray[np.bool_],
    groups: NDArray[np.int64],
    clusters: NDArray[np.int64],
    chosen: list[int],
) -> Iterator[tuple[int, float]]:
    """Groups that have enough clusters on both sides, with their p-values."""
    for group in chosen:
        inside = groups == group
        sides = [len(np.unique(clusters[side])) for side in (inside, ~inside)]
        if min(sides) >= LEAST_ROWS:
            yield group, clustered_p(correct, inside, clusters)


def clustered_p(
    correct: NDArray[np.bool_], inside: NDArray[np.bool_], clusters: NDArray[np.int64]
) -> float:
    """One-sided p-value of a t-test of the difference of two shares, with variance over clusters.

    The difference is linear in the rows' deviations from the shares of their sides; the variance is
    that of the sums of the clusters (Liang and Zeger 1986, the linear case).
    """
    right = correct.astype(np.float64)
    sides = [inside, ~inside]
    shares = [right[side].mean() for side in sides]
    deviations = np.where(
        inside, (right - shares[0]) / inside.sum(), -(right - shares[1]) / (~inside).sum()
    )
    _, numbers = np.unique(clusters, return_inverse=True)
    sums = np.bincount(numbers, weights=deviations)
    count = len(sums)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum()))
    gap = float(shares[0] - shares[1])
    if error == 0.0:
        return 0.0 if gap < 0 else 1.0
    return float(stats.t.cdf(gap / error, count - 1))


def length_bands(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Fifths of the rows by their number of words: int64[N] bands, and their names."""
    edges = np.unique(np.quantile(lengths, np.arange(1, _BANDS) / _BANDS, method="lower"))
    bands = np.searchsorted(edges, lengths, side="left")
    names = {}
    for band in np.unique(bands).tolist():
        of_band = lengths[bands == band]
        names[band] = f"{of_band.min():,} to {of_band.max():,}"
    return bands, names


def files_of(keys: list[str]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """File of each row by its name in the source, `reviews.csv:17`: int64[N], and their names."""
    names = [key.rpartition(":")[0] for key in keys]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    files = np.array([numbers[name] if name else -1 for name in names], dtype=np.int64)
    return files, {number: name for name, number in numbers.items()}


def _divide_alike(groups: NDArray[np.int64], clusters: NDArray[np.int64]) -> bool:
    """Whether groups and clusters are the same division of the rows."""
    pairs = np.unique(np.stack([groups, clusters]), axis=1).shape[1]
    return pairs == len(np.unique(groups)) == len(np.unique(clusters))
