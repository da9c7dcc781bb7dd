"""Faithfulness: what a prediction loses without the tokens that an explanation names.

DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models". With p the
probability of the predicted class of a text x, and r_k the k% of its tokens that contribute most:
    comprehensiveness = mean over k of p(x) - p(x without r_k);  higher is better
    sufficiency       = mean over k of p(x) - p(r_k alone);      lower is better
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from datamodules.store.truncation import TokenTruncation
from experiments.explaining.occlusion import without
from experiments.explaining.score import probabilities
from lit_models.base.classifier import LitClassifier

SHARES = (1, 5, 10, 20, 50)
"""k, in percent."""


class Erased(NamedTuple):
    """Both figures of one text under one explanation."""

    comprehensiveness: float
    sufficiency: float


def erase(
    model: LitClassifier,
    row: np.ndarray,
    label: int,
    contributions: Sequence[np.ndarray],
    truncation: TokenTruncation,
) -> list[Erased]:
    """Remove and keep the tokens of the largest contributions.

    Tokens are removed from the row; special tokens stay. At least one token is removed or kept; of
    equal contributions the earlier goes first.

    Args:
        model: In evaluation mode.
        row: int64[T] token ids.
        label: The predicted class.
        contributions: float64[T] each, one for each explanation.
        truncation: Special tokens, padding and the unknown token.
    """
    places = np.arange(truncation.prefix, len(row) - truncation.suffix)
    rows = [row]
    for values in contributions:
        order = places[np.argsort(-values[places], kind="stable")]
        for share in SHARES:
            count = max(1, -(-len(places) * share // 100))  # rounded up
            rows.append(without(row, order[:count], truncation.unk_id))
            rows.append(without(row, order[count:], truncation.unk_id))
    whole, *parts = probabilities(model, rows, truncation.pad_id)[:, label]
    losses = whole - np.array(parts).reshape(len(contributions), len(SHARES), 2)
    return [Erased(*means) for means in losses.mean(axis=1).tolist()]


def mean_interval(
    values: np.ndarray, groups: np.ndarray, draws: int = 2000, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of values, and the ends of its bootstrap interval over groups.

    Whole groups are drawn with replacement, since reviews of one movie are alike (Efron &
    Tibshirani 1993, percentiles).

    Args:
        values: float64[N].
        groups: int64[N], such as the movie of each review.
        draws: Number of bootstrap samples.
        level: Level of the interval.
    """
    number = np.unique(groups, return_inverse=True)[1]
    sizes, sums = np.bincount(number), np.bincount(number, values)
    rng = np.random.default_rng(0)
    means = np.empty(draws)
    for draw in range(draws):
        drawn = rng.integers(len(sizes), size=len(sizes))
        means[draw] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(values.mean()), float(low), float(high)
