"""Confidence intervals of a mean F1 over kinds of tags, and of the difference of two.

An F1 is a ratio of two sums over the texts: twice the right tags, and all that are tagged or there.
It is linearised as other ratios are (`statistics.perplexity`): with F = a / d the sums over all
texts, a text of a_i and d_i adds (a_i - F d_i) / d; the mean over kinds adds the mean of these. Two
models that tagged the same texts are compared by the differences of what a text adds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.intervals import Interval
from experiments.statistics.perplexity import linear_interval


def f1_interval(
    counts: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
    *,
    level: float = 0.95,
    draws: bool = True,
) -> Interval | None:
    """Mean F1 over kinds, those that occur, with its interval.

    Args:
        counts: int[S, N, C, 3] of the runs of S seeds on N texts: for each of C kinds how many
            tags are right, are tagged, and are there.
        groups: int[N], number of the group of each text; None if each is alone.
        level: Confidence.
        draws: Whether the model draws, so that one seed says nothing about others.

    Returns:
        None where there are not two groups, or no tags of these kinds.
    """
    found = [_linearised(one) for one in counts]
    if any(one is None for one in found):
        return None
    means, influences = zip(*(one for one in found if one is not None), strict=True)
    influence = np.mean(influences, axis=0)
    return linear_interval(np.array(means), influence, groups, level=level, draws=draws)


def f1_difference(
    one: NDArray[np.integer],
    other: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
    *,
    level: float = 0.95,
    draws: bool = True,
) -> Interval | None:
    """Mean F1 of one model minus that of another on the same texts, by the same seeds.

    Args: see `f1_interval`; `one` and `other` are counts of both.
    """
    pairs = [(_linearised(a), _linearised(b)) for a, b in zip(one, other, strict=True)]
    if any(a is None or b is None for a, b in pairs):
        return None
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    means = np.array([a[0] - b[0] for a, b in known])
    influence = np.mean([a[1] - b[1] for a, b in known], axis=0)
    return linear_interval(means, influence, groups, level=level, draws=draws)


def _linearised(counts: NDArray[np.integer]) -> tuple[float, NDArray[np.float64]] | None:
    """Mean F1, and float[N] what each text adds; None without a tag of any kind."""
    right, tagged, there = counts.astype(np.float64).transpose(2, 0, 1)  # each [N, C]
    amounts, sizes = 2 * right, tagged + there
    sums = sizes.sum(axis=0)
    occur = sums > 0
    if not occur.any():
        return None
    amounts, sizes, sums = amounts[:, occur], sizes[:, occur], sums[occur]
    scores = amounts.sum(axis=0) / sums
    return float(scores.mean()), ((amounts - scores * sizes) / sums).mean(axis=1)
