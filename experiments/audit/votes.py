"""Rank of the labels that people have voted on: how well it finds the wrong ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.subsets import LEFT_OUT, Audit

_DRAWS = 1000


@dataclass(frozen=True)
class Ranking:
    """Area under the ROC curve of a rank of labels against votes.

    Attributes:
        wrong: Number of labels that count as wrong.
        right: Number of labels that count as right.
        auc: Chance that a wrong label is ranked before a right one, in 0..1; ties count half.
        low: Lower end of the 95% bootstrap interval over groups (movies).
        high: Upper end.
    """

    wrong: int
    right: int
    auc: float
    low: float
    high: float


def rank_against_votes(
    suspicion: NDArray[np.floating],
    labels: NDArray[np.int64],
    audit: Audit,
    groups: NDArray[np.int64] | None,
) -> dict[str, Ranking]:
    """Compare a rank of labels with the votes on them.

    Args:
        suspicion: float[N], the higher, the likelier the label of the test row is wrong.
        labels: int64[N], the labels.
        audit: The votes.
        groups: int64[N], movie of each row; None: each row is drawn alone.

    Returns:
        `failed`: among the labels that were voted on, those with fewer than three of five votes
        against the others; `other class`: those of which at least three voted for the other class
        against the confirmed ones; `all rows`: the failed ones against all other rows, most of
        which nobody voted on.
    """
    reviewed = np.zeros(len(labels), dtype=bool)
    reviewed[audit.rows] = True
    failed = audit.labels != labels
    turned = failed & (audit.labels != LEFT_OUT)
    comparisons = {
        "failed": (failed, reviewed & ~failed),
        "other class": (turned, reviewed & ~failed),
        "all rows": (failed, ~failed),
    }
    return {
        name: _ranking(suspicion, wrong, right, groups)
        for name, (wrong, right) in comparisons.items()
    }


def auc(
    scores: NDArray[np.floating],
    wrong: NDArray[np.bool_],
    counts: NDArray[np.int64] | None = None,
) -> float:
    """Area under the ROC curve: the chance that a wrong one scores higher than a right one.

    Args:
        scores: float[N], or their ranks.
        wrong: bool[N].
        counts: int64[N], how often each row counts; None: once.
    """
    _, places = np.unique(scores, return_inverse=True)
    return _area(places, wrong, np.ones(len(wrong)) if counts is None else counts)


def _area(places: NDArray[np.int64], wrong: NDArray[np.bool_], counts: NDArray) -> float:
    """Area from the places of the scores among the different ones, ascending."""
    size = int(places.max(initial=0)) + 1
    hits = np.bincount(places, weights=counts * wrong, minlength=size)
    others = np.bincount(places, weights=counts * ~wrong, minlength=size)
    pairs = hits.sum() * others.sum()
    if not pairs:
        return float("nan")
    return float((hits * (np.cumsum(others) - others / 2)).sum() / pairs)


def _ranking(
    suspicion: NDArray[np.floating],
    wrong: NDArray[np.bool_],
    right: NDArray[np.bool_],
    groups: NDArray[np.int64] | None,
) -> Ranking:
    rows = np.flatnonzero(wrong | right)
    is_wrong = wrong[rows]
    _, places = np.unique(suspicion[rows], return_inverse=True)
    names, of_group = np.unique(rows if groups is None else groups[rows], return_inverse=True)
    rng = np.random.Generator(np.random.PCG64(0))
    draws = []
    for _ in range(_DRAWS):
        drawn = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        draws.append(_area(places, is_wrong, drawn[of_group]))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    area = _area(places, is_wrong, np.ones(len(rows)))
    return Ranking(int(wrong.sum()), int(right.sum()), area, float(low), float(high))
