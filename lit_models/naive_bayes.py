"""NaiveBayes: the multinomial model over n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.naive_bayes import MultinomialNB

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.classics.ngram_estimator import NgramEstimator


class NaiveBayes(NgramEstimator):
    """McCallum & Nigam 1998, "A Comparison of Event Models for Naive Bayes Text Classification".

    p(c | d) ∝ p(c) · Π_i p(i | c)^x_i(d), with p(i | c) = (α + Σ_{d in c} x_i(d)) / (α F + Σ_i …)
    and x_i(d) the number of times that text d has n-gram i, at most 1 if `binary` (better for
    sentiment: Pang et al. 2002). N-grams are taken to be independent, so probabilities are much too
    close to 0 and 1 and the log loss is high.

    Args:
        ngrams: longest n-gram.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams, the most frequent of the train side; None keeps all.
        binary: count an n-gram once in a text.
        smoothing: α.
        **kwargs: of `LitClassifier`.

    Raises:
        ValueError: a size below 1, or a smoothing that is not above 0.
    """

    deterministic = True

    def __init__(
        self,
        *,
        ngrams: int = 3,
        min_df: int = 2,
        max_features: int | None = None,
        binary: bool = True,
        smoothing: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(ngrams=ngrams, min_df=min_df, max_features=max_features, **kwargs)
        if smoothing <= 0:
            raise ValueError(f"model.smoothing is {smoothing}; it must be above 0")
        self.binary, self.smoothing = binary, smoothing

    def make_estimator(self) -> BaseEstimator:
        return MultinomialNB(alpha=self.smoothing)

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        return self._events(super().learn_features(view))

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        return self._events(super().features(tokens))

    def _events(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        if self.binary:
            counts.data = np.ones_like(counts.data)
        return counts
