"""BowForest: word counts into a random forest (scikit-learn)."""

from __future__ import annotations

from typing import Any

from lit_models.classics.forest import ForestEstimator
from lit_models.classics.ngram_estimator import NgramEstimator


class BowForest(ForestEstimator, NgramEstimator):
    """Bag of words: counts of the most frequent words, and a forest over them (Breiman 2001).

    p(c | d) is the mean over the trees of the share of class c in the leaf of d.

    Args:
        max_features: most n-grams, the most frequent of the train side.
        **kwargs: of `ForestEstimator` and `NgramEstimator`.
    """

    def __init__(self, *, max_features: int | None = 5000, **kwargs: Any) -> None:
        super().__init__(max_features=max_features, **kwargs)
