"""Confidence intervals of a ratio of sums over texts: a perplexity, or an error rate of symbols.

The mean loss is a ratio of two sums over the texts, -ln p and the number of symbols; a rate of
errors is that of errors and symbols. Its variance over the texts is that of the linearised ratio
(Cochran, Sampling Techniques, 1977, chapter 6): with u = loss - mean · symbols of a text, added up
by group (the reviews of a movie, which resemble each other),

    variance = G / (G - 1) · Σ_g u_g² / W²,     W the number of all symbols,

to which the variance of the seeds' means is added, divided by their number S. The interval is
mean ± t · sqrt(variance), with the degrees of freedom of the other intervals
(`degrees_of_freedom`); exp of its ends is that of a perplexity.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.intervals import Interval, degrees_of_freedom, t_quantile


def perplexity_interval(
    losses: NDArray[np.floating],
    symbols: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
    *,
    level: float = 0.95,
    draws: bool = True,
) -> Interval | None:
    """Perplexity with its interval; arguments as of `ratio_interval`, `losses` being -ln p."""
    found = ratio_interval(losses, symbols, groups, level=level, draws=draws)
    if found is None:
        return None
    means = np.exp(losses.sum(axis=1) / float(symbols.sum()))
    return replace(
        found,
        mean=float(np.exp(found.mean)),
        low=float(np.exp(found.low)),
        high=float(np.exp(found.high)),
        sd=float(means.std(ddof=1)) if len(means) > 1 else None,
    )


def ratio_interval(
    amounts: NDArray[np.floating],
    symbols: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
    *,
    level: float = 0.95,
    draws: bool = True,
) -> Interval | None:
    """Sum of amounts over that of symbols, with its interval.

    Args:
        amounts: float[S, N] of N texts by the runs of S seeds.
        symbols: int[N], number of symbols of each text.
        groups: int[N], number of the group of each text; None if each is alone.
        level: Confidence.
        draws: Whether the model draws, so that one seed says nothing about others.

    Returns:
        None where there are not two groups: nothing tells how texts differ.
    """
    total = float(symbols.sum())
    means = amounts.sum(axis=1) / total
    influence = (amounts.mean(axis=0) - means.mean() * symbols) / total
    return linear_interval(means, influence, groups, level=level, draws=draws)


def linear_interval(
    means: NDArray[np.floating],
    influence: NDArray[np.floating],
    groups: NDArray[np.integer] | None = None,
    *,
    level: float = 0.95,
    draws: bool = True,
) -> Interval | None:
    """Interval of a figure that is linearised over the texts.

    Args:
        means: float[S], the figure by the runs of S seeds.
        influence: float[N], what each text adds to the mean of these; they sum to 0.
        groups: int[N], number of the group of each text; None if each is alone.
        level: Confidence.
        draws: Whether the model draws, so that one seed says nothing about others.

    Returns:
        None where there are not two groups: nothing tells how texts differ.
    """
    seeds, mean = len(means), float(means.mean())
    alone, by_group = _variance(influence), np.asarray(influence, dtype=np.float64)
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        by_group = np.bincount(numbers, weights=influence).astype(np.float64)
    if len(by_group) < 2:
        return None
    of_texts = _variance(by_group)
    of_seeds = float(means.var(ddof=1)) / seeds if seeds > 1 else 0.0
    variance = of_texts + of_seeds
    most = len(by_group) - 1
    freedom = min(degrees_of_freedom(of_seeds, max(1, seeds - 1), of_texts, most), most)
    half = float(t_quantile(level, freedom)) * variance**0.5
    return Interval(
        mean=mean,
        low=mean - half,
        high=mean + half,
        sd=float(means.std(ddof=1)) if seeds > 1 else None,
        seeds=seeds,
        design_effect=of_texts / alone if alone else 1.0,
        reviews_only=draws and seeds == 1,
    )


def _variance(influence: NDArray[np.floating]) -> float:
    count = len(influence)
    return float(count / (count - 1) * (influence**2).sum()) if count > 1 else 0.0
