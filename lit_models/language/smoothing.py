"""Smoothing of n-gram language models: what a seen n-gram keeps, and what its context passes on.

Each method gives, for every n-gram g = (c, w) of an order, a probability p(w | c), and for every
context c the weight γ(c) by which the distribution one order lower is multiplied for the symbols
that were not seen after c. `Backoff` turns both into a model. A count is written C, the number of
n-grams with a count of r as n_r, that of predicted symbols as N.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from lit_models.language.ngram_counts import Order, Symbols

Smoothing: TypeAlias = Literal[
    "maximum_likelihood",
    "add_one",
    "add_delta",
    "absolute_discounting",
    "jelinek_mercer",
    "katz",
    "modified_kneser_ney",
]
MOST_COUNT = 5
"""Largest count that Katz discounts."""
BUCKETS = 24
"""Contexts share a weight in `jelinek_mercer` if their counts have the same power of two."""


def check_settings(order: int, delta: float) -> None:
    """Check the settings of an architecture made of n-gram language models.

    Raises:
        ValueError: an order below 1, or a δ that is not above 0.
    """
    if order < 1:
        raise ValueError(f"model.order is {order}; it must be at least 1")
    if not 0 < delta < np.inf:
        raise ValueError(f"model.delta is {delta}; it must be a number above 0")


class Smoothed(NamedTuple):
    """One order of a smoothed model.

    Attributes:
        probabilities: float64[G] p(w | c) of the n-grams of this order.
        weights: float64[H] γ(c) of the n-grams one order lower, 1 for what is no context.
    """

    probabilities: np.ndarray
    weights: np.ndarray


class Contexts:
    """Sums over the n-grams of each context.

    Args:
        order: n-grams.
        counts: float64[G], their counts, possibly changed.
        below: number of n-grams one order lower; for 1-grams there is one context, the empty one.
        symbols: the symbols.
    """

    def __init__(self, order: Order, counts: np.ndarray, below: int, symbols: Symbols) -> None:
        self.of = order.keys // symbols.count
        self.below = below
        self.totals = self.sums(counts)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """float64[H] sums of float64[G] values by context."""
        return np.bincount(self.of, weights=values, minlength=self.below)

    def shares(self, values: np.ndarray) -> np.ndarray:
        """float64[H] sums as shares of the total count; 1 for what is no context."""
        sums = self.sums(values)
        return np.divide(sums, self.totals, out=np.ones(self.below), where=self.totals > 0)


def interpolated(
    contexts: Contexts, counts: np.ndarray, kept: np.ndarray, lower: np.ndarray
) -> Smoothed:
    """p(w | c) = kept(c, w) / C(c) + γ(c) · p(w | shorter c); γ(c) is the share that is not kept.

    Args:
        contexts: contexts of the n-grams.
        counts: float64[G].
        kept: float64[G], counts less their discounts.
        lower: float64[G], probabilities one order lower.
    """
    weights = contexts.shares(counts - kept)
    own = kept / np.maximum(contexts.totals, 1e-300)[contexts.of]
    return Smoothed(own + weights[contexts.of] * lower, weights)


def single_discount(counts: np.ndarray) -> np.ndarray:
    """float64[4] discounts of the counts 0, 1, 2 and above: D = n₁ / (n₁ + 2 n₂) of all.

    Ney, Essen & Kneser 1994. One half where no n-gram occurs once.
    """
    once, twice = ((counts == r).sum() for r in (1, 2))
    share = once / (once + 2 * twice) if once else 0.5
    return np.array([0.0, share, share, share])


def modified_discounts(counts: np.ndarray) -> np.ndarray:
    """float64[4] discounts of the counts 0, 1, 2 and above.

    Chen & Goodman 1998: Y = n₁ / (n₁ + 2 n₂), D_r = r - (r + 1) Y n_{r+1} / n_r. In a text so small
    that one of them is not between 0 and its count, ½, 1 and 1½.
    """
    number = np.array([(counts == r).sum() for r in range(5)], dtype=float)
    if (number[1:] > 0).all():
        share = number[1] / (number[1] + 2 * number[2])
        found = [r - (r + 1) * share * number[r + 1] / number[r] for r in (1, 2, 3)]
        if all(0 < discount < r for r, discount in enumerate(found, 1)):
            return np.array([0.0, *found])
    return np.array([0.0, 0.5, 1.0, 1.5])


def continuation_counts(orders: Sequence[Order]) -> list[np.ndarray]:
    """Counts of Kneser & Ney 1995, int64[G] for each order.

    Below the highest order an n-gram counts as often as different symbols precede it. Nothing
    precedes one that begins a text: it counts as often as it occurs.
    """
    counts = []
    for order, above in zip(orders, orders[1:], strict=False):
        left = np.bincount(above.suffixes, minlength=len(order.keys))
        counts.append(np.where(order.initial, order.counts, left))
    return [*counts, orders[-1].counts]


def good_turing(counts: np.ndarray) -> np.ndarray:
    """float64[MOST_COUNT + 1] shares that Katz 1987 leaves to the counts 0 … `MOST_COUNT`.

    d_r = (r* / r - A) / (1 - A), with r* = (r + 1) n_{r+1} / n_r and
    A = (k + 1) n_{k+1} / n₁; larger counts are left whole, and so are those for which a small text
    gives no share between 0 and 1.
    """
    number = np.array([(counts == r).sum() for r in range(MOST_COUNT + 2)], dtype=float)
    kept = np.ones(MOST_COUNT + 1)
    common = (MOST_COUNT + 1) * number[-1] / number[1] if number[1] else 1.0
    for r in range(1, MOST_COUNT + 1):
        if number[r] and common < 1:
            share = ((r + 1) * number[r + 1] / number[r] / r - common) / (1 - common)
            if 0 < share < 1:
                kept[r] = share
    return kept


def katz(contexts: Contexts, counts: np.ndarray, lower: np.ndarray) -> Smoothed:
    """p(w | c) = d_C · C(c, w) / C(c); γ(c) makes the rest, of symbols not seen after c, sum to 1.

    Args: see `interpolated`.
    """
    kept = good_turing(counts)[np.minimum(counts, MOST_COUNT)] * counts
    kept[counts > MOST_COUNT] = counts[counts > MOST_COUNT]
    totals = contexts.totals.copy()
    # Without small counts nothing would be left for symbols not seen: as if one more were counted.
    totals[(contexts.sums(kept) >= totals) & (totals > 0)] += 1
    own = kept / np.maximum(totals, 1)[contexts.of]
    seen = counts > 0
    left, unseen = 1 - contexts.sums(own), 1 - contexts.sums(lower * seen)
    whole = unseen < 1e-9  # every symbol was seen, so that nothing need be left
    weights = np.where(whole, 0, left / np.where(whole, 1, unseen))
    own = np.where(whole[contexts.of], own / (1 - left)[contexts.of], own)
    weights = np.where(contexts.totals > 0, weights, 1.0)
    return Smoothed(np.where(seen, own, weights[contexts.of] * lower), weights)


def add_delta(
    contexts: Contexts, counts: np.ndarray, delta: float, uniform: np.ndarray
) -> Smoothed:
    """p(w | c) = (C(c, w) + δ) / (C(c) + δ N): what is not seen has the same share in any context.

    Args:
        contexts: contexts of the n-grams.
        counts: int64[G].
        delta: δ.
        uniform: float64[G], 1 / N, or 0 for what is never predicted.
    """
    added = delta / uniform.max()
    weights = added / (contexts.totals + added)
    own = counts / (contexts.totals + added)[contexts.of]
    return Smoothed(own + weights[contexts.of] * uniform, weights)


def bucket(totals: np.ndarray) -> np.ndarray:
    """int64 bucket of the total count of each context."""
    return np.log2(np.maximum(totals, 1)).astype(np.int64).clip(max=BUCKETS - 1)
