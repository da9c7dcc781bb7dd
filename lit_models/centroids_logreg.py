"""CentroidsLogReg: TF-IDF weighted counts of word clusters into a logistic regression."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lit_models.classics.centroids import Centroids


class CentroidsLogReg(Centroids):
    """Bag of centroids over word vectors (Mikolov et al. 2013) into a logistic regression.

    w(j, t) = (1 + ln n(j, t)) · (ln((1 + N) / (1 + df(j))) + 1), n(j, t) the number of words of
    text t in cluster j, rows scaled to length 1; p(c | t) = softmax(W w(t) + b)_c, with squared
    penalty ‖W‖² / 2C.

    Args:
        C: inverse strength of the penalty; larger fits closer.
        max_iter: iterations of L-BFGS at most.
        **kwargs: of `Centroids` and `LitClassifier`.
    """

    def __init__(self, *, C: float = 10.0, max_iter: int = 500, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.C, self.max_iter = C, max_iter

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(
            TfidfTransformer(sublinear_tf=True),
            LogisticRegression(C=self.C, max_iter=self.max_iter),
        )
