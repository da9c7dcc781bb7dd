"""TfidfForest: TF-IDF weighted words into a random forest (scikit-learn)."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.pipeline import make_pipeline

from lit_models.classics.forest import ForestEstimator
from lit_models.classics.ngram_estimator import NgramEstimator


class TfidfForest(ForestEstimator, NgramEstimator):
    """TF-IDF weights (Salton & Buckley 1988) of the most frequent words, and a forest over them.

    w(t, d) = tf(t, d) · (ln((1 + N) / (1 + df(t))) + 1), rows scaled to length 1, so that splits of
    the trees do not depend on the length of a text. The weights are learnt from the train side
    alone.

    Args:
        n_estimators: number of trees.
        max_features: most n-grams, the most frequent of the train side.
        **kwargs: of `ForestEstimator` and `NgramEstimator`.
    """

    def __init__(
        self, *, n_estimators: int = 300, max_features: int | None = 5000, **kwargs: Any
    ) -> None:
        super().__init__(n_estimators=n_estimators, max_features=max_features, **kwargs)

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(TfidfTransformer(), self.make_forest())
