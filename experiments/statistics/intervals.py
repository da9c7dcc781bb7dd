"""The interval of an accuracy that was measured with few seeds on finitely many reviews.

A run is right about a review or not, and two things decide it: the review (some are hard for every
run) and the seed. Both were drawn, and both would be drawn anew by somebody who repeats the work:

    correct[s, n] = accuracy + seed[s] + review[n] + rest[s, n]

The mean over S seeds and N reviews therefore has the variance

    var(seed) / S + var(review) / N + var(rest) / (S·N)

(two crossed random factors; Searle, Casella and McCulloch, Variance Components, 1992, chapter 4).
The sample variance of the S accuracies, over S, estimates the first and the third term together:
that is the part of the seeds. The part of the reviews is then the second term alone. The variance
over reviews of their mean over seeds, over N, which a bootstrap of the reviews would find, contains
the third term once more; it is taken off, or it would be counted twice.

The closed form stands here instead of that bootstrap: for a mean both give the same variance, the
bootstrap with noise of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """A mean accuracy and where it may lie.

    Attributes:
        mean: Mean over seeds and reviews, in 0..1.
        low: Lower end, at least 0.
        high: Upper end, at most 1.
        sd: Sample standard deviation of the seeds' accuracies; None for one seed, which has none.
        seeds: Number of seeds.
        reviews_only: Whether the interval leaves out what another seed would change, because
            there is only one.
    """

    mean: float
    low: float
    high: float
    sd: float | None
    seeds: int
    reviews_only: bool


def accuracy_interval(correct: NDArray[np.bool_], level: float = 0.95) -> Interval:
    """The accuracy over seeds with its interval.

    mean ± t(df) · sqrt(seeds + reviews), the two parts and df as this file says; with one seed
    mean ± z · sqrt(var over reviews / N).

    Args:
        correct: bool[S, N].
        level: Confidence, in 0..1.

    Raises:
        ValueError: `correct` is not of two dimensions with at least 1 seed and 2 reviews.
    """
    check_correct(correct)
    accuracies = correct.mean(axis=1)
    seeds, _ = seed_variance(accuracies)
    by_review = correct.mean(axis=0)
    reviews = max(by_review.var(ddof=1) - residual_variance(correct), 0.0) / correct.shape[1]
    freedom = degrees_of_freedom(seeds, len(accuracies) - 1, reviews)
    half = float(t_quantile(level, freedom) * np.sqrt(seeds + reviews))
    mean = float(accuracies.mean())
    several = len(accuracies) > 1
    return Interval(
        mean=mean,
        low=max(mean - half, 0.0),
        high=min(mean + half, 1.0),
        sd=float(accuracies.std(ddof=1)) if several else None,
        seeds=len(accuracies),
        reviews_only=not several,
    )


def seed_variance(accuracies: NDArray[np.floating]) -> tuple[float, int]:
    """The seeds' part of the variance, sd²/S, and its degrees of freedom; 0 and 0 for one seed."""
    count = len(accuracies)
    return (float(accuracies.var(ddof=1)) / count, count - 1) if count > 1 else (0.0, 0)


def residual_variance(correct: NDArray[np.bool_]) -> float:
    """var(rest) / S: how far chance moves a review's mean over seeds, beside the review itself.

    From the two-way analysis of variance without repetition: what the seeds of a review differ by,
    less what the seeds' accuracies differ by. 0 for one seed, where it cannot be told from the
    review.

    Args:
        correct: bool[S, N].
    """
    seeds, reviews = correct.shape
    if seeds == 1:
        return 0.0
    share = correct.mean(axis=0)
    within = float((share * (1 - share)).mean()) * seeds / (seeds - 1)  # 0/1: var = p (1 - p)
    rest = (within - float(correct.mean(axis=1).var(ddof=1))) * reviews / (reviews - 1)
    return max(rest, 0.0) / seeds


def degrees_of_freedom(seeds: float, seeds_freedom: float, reviews: float) -> float:
    """Degrees of freedom of the sum of a seeds' part and a reviews' part of a variance.

    Satterthwaite (1946) gives seeds_freedom / share², with share = seeds / (seeds + reviews), as
    the reviews' part, from thousands of them, is all but known. This takes share to be known, too,
    but three seeds tell little about it, and where they happen to agree, both the variance and t
    come out too small: simulated with 3 seeds, an interval of 95% covers 92%, and Holm's tests of
    8 equal models find a difference in 9% of tables. seeds_freedom / share is Satterthwaite's
    number at both ends (all reviews, all seeds) and more careful between them: 94 to 97%, and at
    most 5% (tests/experiments/statistics/test_simulation.py).

    Args:
        seeds: Variance of the mean by seeds, at least 0.
        seeds_freedom: Degrees of freedom of that, at least 1 where `seeds` is not 0.
        reviews: Variance of the mean by reviews, at least 0.

    Returns:
        At least `seeds_freedom`; infinite without a part of the seeds.
    """
    return seeds_freedom * (seeds + reviews) / seeds if seeds > 0 else np.inf


def t_quantile(level: float, freedom: float) -> float:
    """Student's t that holds `level` of the distribution between itself and its negative."""
    from scipy import stats  # here, since importing it takes a second

    return float(stats.t.ppf((1 + level) / 2, freedom))


def check_correct(correct: NDArray[np.bool_]) -> None:
    """Raises a ValueError unless `correct` is bool[S, N] with S ≥ 1 and N ≥ 2."""
    fits = correct.ndim == 2 and correct.shape[0] >= 1 and correct.shape[1] >= 2
    if not fits or correct.dtype != np.bool_:
        raise ValueError(
            f"correct is {correct.dtype}{list(correct.shape)}; it must be bool[seeds, reviews] "
            "with at least 1 seed and 2 reviews"
        )
