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


def auc(scores: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a wrong one scores higher than a right one."""
    from scipy.stats import rankdata

    count = int(wrong.sum())
    others = len(wrong) - count
    if not count or not others:
        return float("nan")
    total = float(rankdata(scores)[wrong].sum()) - count * (count + 1) / 2
    return total / (count * others)


def _ranking(
    suspicion: NDArray[np.floating],
    wrong: NDArray[np.bool_],
    right: NDArray[np.bool_],
    groups: NDArray[np.int64] | None,
) -> Ranking:
    rows = np.flatnonzero(wrong | right)
    scores, is_wrong = suspicion[rows], wrong[rows]
    _, numbers = np.unique(rows if groups is None else groups[rows], return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
    rng = np.random.Generator(np.random.PCG64(0))
    draws = []
    for _ in range(_DRAWS):
        chosen = rng.integers(len(members), size=len(members))
        drawn = np.concatenate([members[group] for group in chosen])
        draws.append(auc(scores[drawn], is_wrong[drawn]))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return Ranking(
        int(wrong.sum()), int(right.sum()), auc(scores, is_wrong), float(low), float(high)
    )
