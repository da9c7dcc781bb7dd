"""Differences between experiments: an interval for each pair, and tests corrected for all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.intervals import (
    check_correct,
    degrees_of_freedom,
    residual_variance,
    seed_variance,
)


@dataclass(frozen=True)
class Difference:
    """Difference in accuracy of two experiments.

    Attributes:
        first: Name of one experiment.
        second: Name of the other.
        difference: Mean accuracy of `first` minus that of `second`, in -1..1.
        low: Lower end of the interval for this pair alone.
        high: Upper end.
        p: Two-sided p-value of no difference, for this pair alone.
        p_holm: The same, corrected for the number of pairs (Holm 1979).
        mcnemar: Mid-p McNemar test of the two runs of the lowest seed that both have; None if they
            share no seed.
        different: Whether `p_holm` is at most 1 - level.
        reviews_only: Whether one of the two has a single seed, so that its variation over seeds is
            left out.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    mcnemar: float | None
    different: bool
    reviews_only: bool


def differences(
    correct: Mapping[str, NDArray[np.bool_]],
    level: float = 0.95,
    seeds: Mapping[str, Sequence[int]] | None = None,
) -> list[Difference]:
    """Compare every pair of experiments.

    The variance of a difference has the two parts of `intervals`: sd²/S of the accuracies of each
    experiment (their seeds are independent), and the variance over reviews of the difference of
    mean correctness, minus the residual variance, divided by N. Both classified the same reviews,
    so the difficulty of a review cancels. t and its degrees of freedom are as in `intervals`; those
    of the two seed variances together are Welch's.

    Args:
        correct: bool[S, N] by experiment; S may differ, the N reviews are the same.
        level: Confidence of the intervals; 1 - level is the chance that the tests find any
            difference among equal experiments.
        seeds: Seed of each row by experiment; 0, 1, … if None.

    Returns:
        All pairs in the order of the experiments; empty for fewer than two.

    Raises:
        ValueError: Arrays are not bool[S, N] with the same N, or seeds do not fit them.
    """
    from scipy import stats

    names = list(correct)
    for name in names:
        check_correct(correct[name])
    if len({array.shape[1] for array in correct.values()}) > 1:
        sizes = {name: array.shape[1] for name, array in correct.items()}
        raise ValueError(f"the numbers of reviews differ: {sizes}; compare on the same reviews")
    numbers = {name: list(seeds[name] if seeds else range(len(correct[name]))) for name in names}
    for name in names:
        if len(numbers[name]) != len(correct[name]):
            raise ValueError(
                f"{name}: {len(correct[name])} rows with seeds {numbers[name]}; give a seed for "
                "each row"
            )
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return []

    arrays = list(correct.values())
    means = np.array([array.mean() for array in arrays])
    parts = [seed_variance(array.mean(axis=1)) for array in arrays]
    rest = np.array([residual_variance(array) for array in arrays])
    reviews = arrays[0].shape[1]
    covariance = np.cov(np.array([array.mean(axis=0) for array in arrays]))
    tests = []
    for one, two in pairs:
        gap = means[one] - means[two]
        spread = covariance[one, one] + covariance[two, two] - 2 * covariance[one, two]
        by_reviews = max(float(spread - rest[one] - rest[two]), 0.0) / reviews
        by_seeds = parts[one][0] + parts[two][0]
        freedom = degrees_of_freedom(by_seeds, _welch(parts[one], parts[two]), by_reviews)
        error = float(np.sqrt(by_seeds + by_reviews))
        # Without variance two experiments agree on every review, or certainly differ.
        statistic = abs(gap) / error if error else (np.inf if abs(gap) > 1e-12 else 0.0)
        tests.append((gap, error, freedom, statistic))
    gaps, errors, freedoms, statistics = np.array(tests).T
    half = stats.t.ppf((1 + level) / 2, freedoms) * errors
    p = 2 * stats.t.sf(statistics, freedoms)
    p_holm = holm_correction(p)
    sides = [
        _single_runs(arrays[one], arrays[two], numbers[names[one]], numbers[names[two]])
        for one, two in pairs
    ]
    mid_p = _mid_p(np.array([side or (0, 0) for side in sides]))
    return [
        Difference(
            first=names[one],
            second=names[two],
            difference=float(gaps[row]),
            low=float(gaps[row] - half[row]),
            high=float(gaps[row] + half[row]),
            p=float(p[row]),
            p_holm=float(p_holm[row]),
            mcnemar=float(mid_p[row]) if sides[row] is not None else None,
            different=bool(p_holm[row] <= 1 - level + 1e-12),  # 1 - 0.95 is not quite 0.05
            reviews_only=min(len(arrays[one]), len(arrays[two])) == 1,
        )
        for row, (one, two) in enumerate(pairs)
    ]


def holm_correction(p: NDArray[np.floating]) -> NDArray[np.floating]:
    """Correct p-values for their number (Holm 1979).

    The k-th smallest of m, counted from 0, is multiplied by m - k; the results are made
    non-decreasing and at most 1.
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Mid-p McNemar test of two runs (Fagerland, Lydersen and Laake 2013).

    A review that only one of two equally good runs classifies correctly is as likely to be that
    of the first as that of the second. p is twice the binomial probability of a count at most the
    smaller one, minus the probability of exactly that count; 1 if the runs never differ.

    Args:
        first: bool[N].
        second: bool[N].
    """
    return float(_mid_p(np.array([_sides(first, second)]))[0])


def _sides(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int]:
    """Count the reviews that only the first run gets right, and those that only the second does."""
    both = int((first & second).sum())
    return int(first.sum()) - both, int(second.sum()) - both


def _mid_p(sides: NDArray[np.integer]) -> NDArray[np.floating]:
    """Mid-p of each row of int64[P, 2]; together, because each call of scipy is slow."""
    from scipy import stats

    smaller, total = sides.min(axis=1), sides.sum(axis=1)
    twice = 2 * stats.binom.cdf(smaller, total, 0.5)
    p: NDArray[np.floating] = np.minimum(twice - stats.binom.pmf(smaller, total, 0.5), 1.0)
    return p


def _single_runs(
    first: NDArray[np.bool_], second: NDArray[np.bool_], seeds: list[int], others: list[int]
) -> tuple[int, int] | None:
    """`_sides` of the runs of the lowest seed that both have; None if there is none."""
    both = set(seeds) & set(others)
    if not both:
        return None
    return _sides(first[seeds.index(min(both))], second[others.index(min(both))])


def _welch(*parts: tuple[float, int]) -> float:
    """Degrees of freedom of the sum of two seed variances (Welch 1947)."""
    below = sum(part**2 / freedom for part, freedom in parts if freedom)
    return sum(part for part, _ in parts) ** 2 / below if below > 0 else np.inf
