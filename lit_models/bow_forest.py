"""BowForest: word counts into a random forest."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from lit_models.forest import ForestEstimator


class BowForest(ForestEstimator):
    """Bag of words: counts of the most frequent words, and a forest over them (Breiman 2001).

    p(c | d) is the mean over trees of the share of class c in the leaf that d falls into.

    Args:
        trees: number of trees.
        **kwargs: of `ForestEstimator`.
    """

    def __init__(self, *, trees: int = 100, **kwargs: Any) -> None:
        super().__init__(trees=trees, **kwargs)

    def make_estimator(self) -> BaseEstimator:
        return self.make_forest()
