"""Intervals, pairs, letters and ranks, from docs/statistics.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_letters

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats


class Model:
    """An experiment: right answers bool[S, N] of S runs, and the movie of each review."""

    def __init__(self, right: NDArray[np.bool_], movies: NDArray[np.int64]) -> None:
        _, place, self.sizes = np.unique(movies, return_inverse=True, return_counts=True)
        self.reviews, self.movies = right.shape[1], len(self.sizes)
        self.right = np.stack([np.bincount(place, run) for run in right])
        self.runs = right.mean(axis=1)
        by_run = self.right - np.outer(self.runs, self.sizes)
        self.d = by_run.mean(axis=0)
        self.alone = right.mean(axis=0).var(ddof=1) / self.reviews
        self.rest = 0.0
        if len(right) > 1:
            squares = ((by_run - self.d) ** 2).sum() / (len(right) - 1) / len(right)
            self.rest = self.factor * squares / self.reviews**2
        self.varies = len(right) > 1 and (self.rest > 0 or np.ptp(self.runs) > 0)

    @property
    def factor(self) -> float:
        """G / (G - 1)."""
        return self.movies / (self.movies - 1)

    @property
    def mean(self) -> float:
        """Accuracy, mean over runs."""
        return float(self.runs.mean())


@dataclass(frozen=True)
class Pair:
    """Comparison of two experiments; `tested` unless one draws and has one run."""

    gap: float
    p: float
    tested: bool
    p_holm: float = 1.0


def seed_variances(models: Mapping[str, Model]) -> dict[str, tuple[float, float]]:
    """Variance of each mean accuracy over seeds, with its degrees of freedom, for comparisons."""
    own = {n: (float(m.runs.var(ddof=1)), len(m.runs) - 1.0) for n, m in models.items() if m.varies}
    found = dict.fromkeys(models, (0.0, np.inf))
    s2, d = np.array(list(own.values())).reshape(-1, 2).T
    s02, total = float((d * s2).sum() / max(d.sum(), 1)), float(d.sum())
    d0 = np.nan
    if len(own) >= 3:
        least = [1 / (12 * models[name].reviews ** 2) for name in own]
        logs = np.log(np.maximum(s2, least)) - special.digamma(d / 2) + np.log(d / 2)
        excess = logs.var(ddof=1) - special.polygamma(1, d / 2).mean()
        d0 = np.inf
        if excess > 0:
            d0 = 2 * optimize.brentq(
                lambda x: float(special.polygamma(1, x)) - excess, 1e-8, 1e8, xtol=1e-14
            )
    for name, (variance, freedom) in own.items():
        if np.isnan(d0):
            shared = variance
        elif np.isinf(d0):
            shared, freedom = s02, total
        else:
            shared = (d0 * s02 + freedom * variance) / (d0 + freedom)
            freedom = min(d0 + freedom, total)
        found[name] = (max(variance, shared) / len(models[name].runs), freedom)
    return found


def interval(model: Model) -> tuple[float, float]:
    """95% interval of an accuracy."""
    mean, reviews, movies = model.mean, model.reviews, model.movies
    seeds, seeds_freedom = 0.0, np.inf
    if model.varies:
        seeds, seeds_freedom = model.runs.var(ddof=1) / len(model.runs), len(model.runs) - 1
    by_movie = max(model.factor * (model.d**2).sum() / reviews**2 - model.rest, 0)
    errors = min(mean, 1 - mean) * reviews
    by_movie = (errors * by_movie + reviews / movies * model.alone) / (errors + 1)
    variance = seeds + by_movie
    answers, freedom = float(movies), movies - 1.0
    if variance > 0:
        answers = mean * (1 - mean) / variance
        below = (seeds / seeds_freedom + by_movie / (movies - 1)) / variance
        freedom = min(1 / below, movies - 1)
    z2 = stats.t.ppf(0.975, freedom) ** 2
    # Wilson's interval: the shares p with (mean - p)² = z² · p · (1 - p) / answers.
    roots = np.roots([1 + z2 / answers, -2 * mean - z2 / answers, mean**2])
    low, high = np.sort(np.clip(roots.real, 0, 1))
    return float(low), float(high)


def pairs(models: Mapping[str, Model], steady: set[str]) -> dict[tuple[str, str], Pair]:
    """All pairs; `steady` names the models that no seed changes."""
    seeds = seed_variances(models)
    total = sum(len(m.runs) - 1 for m in models.values() if m.varies)
    shared = sum(m.varies for m in models.values()) >= 3
    found = {}
    for one, two in combinations(models, 2):
        a, b = models[one], models[two]
        (v1, f1), (v2, f2) = seeds[one], seeds[two]
        d = a.d - b.d
        squares = (d**2).sum()
        by_movie = max(a.factor * squares / a.reviews**2 - a.rest - b.rest, 0)
        freedom = a.movies - 1.0
        if (spread := (d**4).sum() - squares**2 / a.movies) > 0:
            freedom = np.clip(2 * squares**2 / spread, 1, a.movies - 1)
        welch = (v1 + v2) ** 2 / (v1**2 / f1 + v2**2 / f2) if v1 + v2 else np.inf
        welch = min(welch, total) if shared else welch
        gap, variance = a.mean - b.mean, v1 + v2 + by_movie
        p = 1.0
        if abs(gap) > 1e-12 and variance > 0:
            freedom = variance / ((v1 + v2) / welch + by_movie / freedom)
            p = 2 * stats.t.sf(abs(gap) / np.sqrt(variance), freedom)
        elif abs(gap) > 1e-12:
            p = 0.0
        tested = all(len(models[n].runs) > 1 or n in steady for n in (one, two))
        found[one, two] = Pair(gap, p, tested)
    return _holm(found)


def _holm(found: dict[tuple[str, str], Pair]) -> dict[tuple[str, str], Pair]:
    tested = sorted((key for key, pair in found.items() if pair.tested), key=lambda k: found[k].p)
    least = 0.0
    for at, key in enumerate(tested):
        least = min(max(least, found[key].p * (len(tested) - at)), 1.0)
        found[key] = Pair(found[key].gap, found[key].p, True, least)
    return found


def sign_flip(d: NDArray[np.float64]) -> float:
    """Share of all ways to swap two runs in some movies that make them differ at least as much."""
    chances, largest = np.ones(1), 0  # of the sums from -largest to largest
    sizes, counts = np.unique(np.abs(d[d != 0]).astype(int), return_counts=True)
    for size, number in zip(sizes, counts, strict=True):
        swaps = np.zeros(2 * size * number + 1)
        swaps[:: 2 * size] = stats.binom.pmf(np.arange(number + 1), number, 0.5)
        chances, largest = np.convolve(chances, swaps), largest + size * number
    sums = np.arange(-largest, largest + 1)
    return float(chances[np.abs(sums) >= abs(d.sum())].sum())


def ranks(models: Mapping[str, Model], draws: int = 4000) -> dict[str, tuple[float, ...]]:
    """Rank, the ends of its 95% interval, and the chance of being first: drawn anew, so roughly."""
    generator = np.random.default_rng(17)
    some = next(iter(models.values()))
    weights = generator.multinomial(some.movies, np.full(some.movies, 1 / some.movies), draws)
    drawn, seeds = np.empty((draws, len(models))), seed_variances(models)
    for at, (name, model) in enumerate(models.items()):
        variance, freedom = seeds[name]
        noise = generator.standard_t(min(freedom, 1e9), draws)
        drawn[:, at] = model.mean + weights @ model.d / (weights @ some.sizes)
        drawn[:, at] += np.sqrt(max(variance - model.rest, 0)) * noise
    places = stats.rankdata(-drawn.round(12), "min", axis=1)
    firsts = places == 1
    chances = (firsts / firsts.sum(axis=1, keepdims=True)).mean(axis=0)
    low, high = np.quantile(places, (0.025, 0.975), axis=0, method="inverted_cdf")
    shown = stats.rankdata([-round(model.mean, 12) for model in models.values()], "min")
    return dict(zip(models, zip(shown, low, high, chances, strict=True), strict=True))


def letters(order: Sequence[str], differ: set[frozenset[str]]) -> dict[str, str]:
    """One letter for each largest set of experiments of which no two differ."""
    places = [list(map(order.index, one)) for one in _largest(set(), set(order), set(), differ)]
    shown = dict.fromkeys(order, "")
    for letter, one in zip(ascii_letters, sorted(map(sorted, places)), strict=False):
        for place in one:
            shown[order[place]] += letter
    return shown


def _largest(
    chosen: set[str], left: set[str], done: set[str], differ: set[frozenset[str]]
) -> Iterator[set[str]]:
    """All maximal sets without a pair that differs (Bron and Kerbosch 1973)."""
    if not left and not done:
        yield chosen
    for name in sorted(left):
        like = {other for other in left | done if frozenset((name, other)) not in differ} - {name}
        yield from _largest(chosen | {name}, left & like, done & like, differ)
        left, done = left - {name}, done | {name}
