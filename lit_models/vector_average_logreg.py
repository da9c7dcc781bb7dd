"""VectorAverageLogReg: the mean of a text's word vectors into a logistic regression."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lit_models.classics.vector_average import VectorAverage


class VectorAverageLogReg(VectorAverage):
    """Mean of word vectors (Mikolov et al. 2013), and logistic regression over it.

    p(c | t) = softmax(W z(t) + b)_c, where z(t) is the mean vector with each dimension scaled to
    mean 0 and variance 1 over the train texts, with squared penalty ‖W‖² / 2C.

    Args:
        C: inverse strength of the penalty; larger fits closer.
        max_iter: iterations of L-BFGS at most.
        **kwargs: of `VectorAverage` and `LitClassifier`.
    """

    def __init__(self, *, C: float = 1.0, max_iter: int = 500, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.C, self.max_iter = C, max_iter

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(
            StandardScaler(),
            LogisticRegression(C=self.C, max_iter=self.max_iter),
        )
