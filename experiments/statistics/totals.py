"""Right answers of a model, counted by group: all its statistics are computed from them.

Rows of a group (the reviews of a movie) resemble each other, groups are independent. Every
statistic therefore treats a group as one draw and needs of its rows only how many there are and how
many of them a run gets right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Totals:
    """Right answers of the runs of one model, by group.

    Attributes:
        right: float64[S, G], right answers of each run in each group.
        accuracies: float64[S], of each run.
        sizes: float64[G], number of rows of each group.
        deviations: float64[G], right answers of the group, mean over runs, minus the number that
            the mean accuracy lets expect; they sum to 0.
        rest: Variance of the mean accuracy that comes from runs and groups together: how
            differently the runs answer in the same group. 0 for one run, which cannot tell it.
        alone: Variance of the mean accuracy over rows if each row were a group of its own.
    """

    right: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    sizes: NDArray[np.float64]
    deviations: NDArray[np.float64]
    rest: float
    alone: float

    @property
    def mean(self) -> float:
        """Mean accuracy over runs and rows."""
        return float(self.accuracies.mean())

    @property
    def rows(self) -> float:
        """Number of rows."""
        return float(self.sizes.sum())

    @property
    def fixed(self) -> bool:
        """True if nothing varies over seeds: there is one run, or all answer alike."""
        return self.rest == 0 and bool(np.ptp(self.accuracies) == 0)


def count(correct: NDArray[np.bool_], groups: NDArray[np.integer] | None = None) -> Totals:
    """Count the right answers of a model by group.

    Args:
        correct: bool[S, N], S runs on N rows.
        groups: int[N], number of the group of each row; None if each row is alone.

    Raises:
        ValueError: `correct` is not of two dimensions with at least 1 run and 2 rows, `groups` does
            not fit it, or all rows are of one group.
    """
    check_correct(correct)
    sizes, totals = right_by_group(correct, groups)
    share = correct.mean(axis=0)
    return from_totals(totals, sizes, float(share.var(ddof=1)) / len(share))


def from_totals(
    totals: NDArray[np.float64], sizes: NDArray[np.float64], alone: float = 0.0
) -> Totals:
    """Summarise right answers that are counted already.

    Args:
        totals: float64[S, G], right answers by run and group.
        sizes: float64[G], rows of each group.
        alone: As in `Totals`; needed for intervals alone.
    """
    seeds, groups = totals.shape
    rows = sizes.sum()
    accuracies = totals.sum(axis=1) / rows
    by_run = totals - accuracies[:, None] * sizes
    deviations = by_run.mean(axis=0)
    rest = 0.0
    if seeds > 1:
        squares = float(((by_run - deviations) ** 2).sum())
        rest = groups / (groups - 1) * squares / ((seeds - 1) * seeds * rows**2)
    return Totals(totals, accuracies, sizes, deviations, rest, alone)


def group_variance(totals: Totals) -> float:
    """Variance of the mean accuracy over groups, `rest` included.

    The cluster-robust variance of a ratio, right answers over rows: the sum of the squared
    deviations, times G / (G - 1), over N² (Cochran, Sampling Techniques, 1977, chapter 9).
    """
    groups = len(totals.sizes)
    squares = float((totals.deviations**2).sum())
    return groups / (groups - 1) * squares / totals.rows**2


def group_freedom(
    squares: NDArray[np.floating], fourths: NDArray[np.floating], groups: int
) -> NDArray[np.float64]:
    """Degrees of freedom of a variance over groups (Satterthwaite 1946).

    2 · mean² / variance of a sum of squared deviations, from the sum of their fourth powers: about
    G - 1 if groups vary alike, few if the variance comes from a few groups. At most G - 1, at
    least 1.

    Args:
        squares: Sum of squared deviations.
        fourths: Sum of their fourth powers.
        groups: Number of groups G.
    """
    squares, fourths = np.asarray(squares, np.float64), np.asarray(fourths, np.float64)
    spread = fourths - squares**2 / groups
    tiny = 1e-12 * squares**2
    freedom = 2 * squares**2 / np.maximum(spread, tiny + (squares == 0))
    result: NDArray[np.float64] = np.clip(freedom, 1, groups - 1)
    return np.where(squares > 0, result, groups - 1.0)


def check_correct(correct: NDArray[np.bool_]) -> None:
    """Raise a ValueError unless `correct` is bool[S, N] with S ≥ 1 and N ≥ 2."""
    fits = correct.ndim == 2 and correct.shape[0] >= 1 and correct.shape[1] >= 2
    if not fits or correct.dtype != np.bool_:
        raise ValueError(
            f"correct is {correct.dtype}{list(correct.shape)}; it must be bool[seeds, rows] "
            "with at least 1 seed and 2 rows"
        )


def right_by_group(
    correct: NDArray[np.bool_], groups: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the rows of each group, float64[G], and the right answers among them, float64[S, G].

    Args:
        correct: bool[S, N].
        groups: int[N]; None if each row is alone.

    Raises:
        ValueError: `groups` is not int[N], or has fewer than two groups.
    """
    rows = correct.shape[1]
    if groups is None:
        return np.ones(rows), correct.astype(np.float64)
    groups = np.asarray(groups)
    if groups.shape != (rows,) or not np.issubdtype(groups.dtype, np.integer):
        raise ValueError(
            f"groups are {groups.dtype}{list(groups.shape)} for {rows} rows; give an integer for "
            "each row"
        )
    values, numbers = np.unique(groups, return_inverse=True)
    if len(values) < 2:
        raise ValueError(
            f"all {rows} rows are of group {values[0]}; two groups are needed to see how they vary"
        )
    sizes = np.bincount(numbers).astype(np.float64)
    totals = [np.bincount(numbers, weights=run, minlength=len(sizes)) for run in correct]
    return sizes, np.stack(totals)
