"""Differences between experiments: an interval for each pair, and tests corrected for all pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.intervals import t_quantile
from experiments.statistics.seeds import NO_POOL, Pool, pool, seed_variance
from experiments.statistics.sign_flip import sign_flip
from experiments.statistics.totals import Totals, count, group_freedom


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
        p_holm: The same, corrected for the number of pairs that are tested (Holm 1979); 1 if this
            one is not.
        sign_flip: Sign-flip test of the two runs of the lowest seed that both have; None if they
            share no seed.
        different: Whether `p_holm` is at most 1 - level.
        reviews_only: Whether one of the two draws and has a single seed. The variation over seeds
            is then left out of the interval and of p, and the pair is not tested.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    sign_flip: float | None
    different: bool
    reviews_only: bool


@dataclass(frozen=True, eq=False)
class Gaps:
    """Tests of all pairs of models, in the order of `itertools.combinations`.

    Attributes:
        gaps: Mean accuracy of the first minus that of the second.
        errors: Standard errors.
        freedoms: Degrees of freedom.
        p: Two-sided p-values, not corrected.
    """

    gaps: NDArray[np.float64]
    errors: NDArray[np.float64]
    freedoms: NDArray[np.float64]
    p: NDArray[np.float64]


def differences(
    correct: Mapping[str, NDArray[np.bool_]],
    level: float = 0.95,
    seeds: Mapping[str, Sequence[int]] | None = None,
    groups: NDArray[np.integer] | None = None,
    deterministic: Collection[str] = (),
    shared: Pool | None = None,
) -> list[Difference]:
    """Compare every pair of experiments.

    The variance of a difference has the two parts of `intervals`: that over the seeds of each
    experiment (they are independent), and that over groups of the difference of mean correctness,
    minus the rests. Both classified the same rows, so the difficulty of a row cancels. The variance
    over seeds is shared by all experiments (`seeds.pool`). t and its degrees of freedom are as in
    `intervals`; those of the two seed variances together are Welch's.

    Args:
        correct: bool[S, N] by experiment; S may differ, the N rows are the same.
        level: Confidence of the intervals; 1 - level is the chance that the tests find any
            difference among equal experiments.
        seeds: Seed of each row by experiment; 0, 1, … if None.
        groups: int[N], group of each row; None if each row is alone.
        deterministic: Experiments for which another seed would change nothing: they need one run.
        shared: Variance over seeds that more experiments share than these; None: these alone.

    Returns:
        All pairs in the order of the experiments; empty for fewer than two.

    Raises:
        ValueError: Arrays are not bool[S, N] with the same N, or seeds do not fit them.
    """
    names = list(correct)
    if len({array.shape[-1] for array in correct.values()}) > 1:
        sizes = {name: array.shape[-1] for name, array in correct.items()}
        raise ValueError(f"the numbers of rows differ: {sizes}; compare on the same rows")
    models = [count(array, groups) for array in correct.values()]
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
    shared = pool(models) if shared is None else shared
    found = compare_pairs(models, group_parts(models), shared)
    half = t_quantile(level, found.freedoms) * found.errors
    alone = [len(correct[name]) == 1 and name not in deterministic for name in names]
    untested = np.array([alone[one] or alone[two] for one, two in pairs])
    p_holm = np.ones(len(pairs))
    p_holm[~untested] = holm_correction(found.p[~untested])
    return [
        Difference(
            first=names[one],
            second=names[two],
            difference=float(found.gaps[row]),
            low=float(found.gaps[row] - half[row]),
            high=float(found.gaps[row] + half[row]),
            p=float(found.p[row]),
            p_holm=float(p_holm[row]),
            sign_flip=_single_runs(
                models[one], models[two], numbers[names[one]], numbers[names[two]]
            ),
            different=bool(p_holm[row] <= 1 - level + 1e-12),  # 1 - 0.95 is not quite 0.05
            reviews_only=bool(untested[row]),
        )
        for row, (one, two) in enumerate(pairs)
    ]


def group_parts(models: Sequence[Totals]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variance over groups of the difference of each pair, and its degrees of freedom.

    Args:
        models: At least two, with the same groups.
    """
    first, second = np.triu_indices(len(models), 1)
    deviations = np.stack([model.deviations for model in models])
    rest = np.array([model.rest for model in models])
    groups, rows = deviations.shape[1], models[0].rows
    squares, fourths = (part[first, second] for part in _powers_of_differences(deviations))
    variance = groups / (groups - 1) * squares / rows**2 - rest[first] - rest[second]
    return np.maximum(variance, 0.0), group_freedom(squares, fourths, groups)


def compare_pairs(
    models: Sequence[Totals],
    by_groups: tuple[NDArray[np.float64], NDArray[np.float64]],
    shared: Pool = NO_POOL,
) -> Gaps:
    """Test all pairs of models.

    Args:
        models: At least two, with the same groups.
        by_groups: From `group_parts`.
        shared: Variance over seeds that they share.
    """
    from scipy import special

    first, second = np.triu_indices(len(models), 1)
    means = np.array([model.mean for model in models])
    seeds, freedoms = np.array([seed_variance(model, shared) for model in models]).T
    gaps = means[first] - means[second]
    groups, groups_freedom = by_groups
    by_seeds = seeds[first] + seeds[second]
    below = (seeds**2 / freedoms)[first] + (seeds**2 / freedoms)[second]
    welch = np.minimum(_divide(by_seeds**2, below), shared.total)
    freedom = _divide(by_seeds + groups, by_seeds / welch + groups / groups_freedom)
    errors = np.sqrt(by_seeds + groups)
    # Without variance two models agree in every group, or certainly differ.
    statistics = np.where(np.abs(gaps) > 1e-12, _divide(np.abs(gaps), errors), 0.0)
    p = 2 * special.stdtr(np.minimum(freedom, 1e9), -np.minimum(statistics, 1e9))
    return Gaps(gaps, errors, freedom, p)


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


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; infinite where the divisor is 0."""
    return np.divide(above, below, out=np.full_like(above, np.inf), where=below > 0)


def _powers_of_differences(
    deviations: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over groups of (x - y)² and (x - y)⁴ for all pairs of rows, from products of powers."""
    x2 = deviations**2
    x3 = x2 * deviations
    one, two = x2.sum(axis=1), (x2**2).sum(axis=1)
    third = x3 @ deviations.T
    squares = one[:, None] + one - 2 * deviations @ deviations.T
    fourths = two[:, None] + two - 4 * (third + third.T) + 6 * x2 @ x2.T
    tiny = 1e-13 * (one[:, None] + one)  # of two equal rows rounding leaves a little
    return np.where(squares > tiny, squares, 0.0), np.maximum(fourths, 0.0)


def _single_runs(
    first: Totals, second: Totals, seeds: list[int], others: list[int]
) -> float | None:
    """Sign-flip test of the runs of the lowest seed that both have; None if there is none."""
    both = set(seeds) & set(others)
    if not both:
        return None
    one, two = seeds.index(min(both)), others.index(min(both))
    return sign_flip(first.right[one] - second.right[two])
