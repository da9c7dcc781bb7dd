"""Rank of each model of a table and its chance of being first, by bootstrap over groups and seeds.

One draw repeats the experiment: as many groups as there are, drawn with replacement (Efron 1979),
the same for all models, so that what is hard for all of them cancels; and for each model its own
deviation over seeds, from Student's t with the variance and degrees of freedom of `seeds`. Drawing
three seeds with replacement would be too narrow by a third of the variance, and know no more than
three values. What runs and groups vary together is part of the draws of groups already, and is
taken off the variance over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.seeds import pool, seed_variance
from experiments.statistics.totals import Totals

DRAWS = 4000
_AT_ONCE = 4_000_000  # numbers of groups drawn, some 100 MB


@dataclass(frozen=True)
class Rank:
    """Rank of a model among those of a table.

    Attributes:
        rank: By mean accuracy, 1 for the best; equal models share the better one.
        low: Lower end of its interval, the best rank in it.
        high: Upper end.
        first: Chance of being first, in 0..1; they sum to 1 over the models.
    """

    rank: int
    low: int
    high: int
    first: float


def rank_models(
    models: Mapping[str, Totals], level: float = 0.95, draws: int = DRAWS
) -> dict[str, Rank]:
    """Rank models that answered the same rows; the draws are the same in each call.

    Args:
        models: Models by name, each with several runs or one that no seed changes.
        level: Confidence of the intervals.
        draws: Number of bootstrap draws.
    """
    if not models:
        return {}
    drawn = draw_accuracies(list(models.values()), draws, np.random.default_rng(0))
    means = np.array([[model.mean for model in models.values()]])
    observed, _ = _ranks(means)
    ranks, first = _ranks(drawn)
    tail = (1 - level) / 2
    low = np.quantile(ranks, tail, axis=0, method="inverted_cdf")
    high = np.quantile(ranks, 1 - tail, axis=0, method="inverted_cdf")
    return {
        name: Rank(int(observed[0, at]), int(low[at]), int(high[at]), float(first[at]))
        for at, name in enumerate(models)
    }


def draw_accuracies(
    models: list[Totals], draws: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Repeat the experiment: float64[draws, models], accuracies as described at the top."""
    sizes = models[0].sizes
    groups = len(sizes)
    deviations = np.stack([*(model.deviations for model in models), sizes], axis=1)
    shared = pool(models)
    parts = [seed_variance(model, shared) for model in models]
    rest = np.array([model.rest for model in models])
    by_seeds = np.sqrt(np.maximum(np.array([part[0] for part in parts]) - rest, 0.0))
    freedoms = np.minimum([part[1] for part in parts], 1e9)
    result = np.empty((draws, len(models)))
    batch = max(_AT_ONCE // groups, 1)
    for start in range(0, draws, batch):
        number = min(batch, draws - start)
        picked = generator.integers(0, groups, (number, groups), dtype=np.int32)
        picked += np.arange(number, dtype=np.int32)[:, None] * groups
        weights = np.bincount(picked.ravel(), minlength=number * groups)
        sums = weights.reshape(number, groups).astype(np.float64) @ deviations
        result[start : start + number] = sums[:, :-1] / sums[:, -1:]
    noise = generator.standard_t(freedoms, (draws, len(models)))
    return result + by_seeds * noise + np.array([model.mean for model in models])


def _ranks(accuracies: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rank by row, int64[D, M], and how often each column is first, a tie counted in parts."""
    rounded = np.round(accuracies, 12)  # equal models are equal up to rounding
    ordered = np.sort(rounded, axis=1)
    ranks = np.stack([1 + (ordered > column[:, None]).sum(axis=1) for column in rounded.T], axis=1)
    best = ranks == 1
    return ranks, (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
