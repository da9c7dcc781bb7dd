"""TfidfLogReg: TF-IDF weighted n-grams into a logistic regression (scikit-learn)."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lit_models.ngram_estimator import NgramEstimator


class TfidfLogReg(NgramEstimator):
    """Sublinear TF-IDF (Salton & Buckley 1988) of word n-grams, and logistic regression over it.

    w(t, d) = (1 + ln tf(t, d)) · (ln((1 + N) / (1 + df(t))) + 1), rows scaled to length 1;
    p(c | d) = softmax(W w(d) + b)_c, with squared penalty ‖W‖² / 2C.

    Args:
        ngrams: longest n-gram.
        min_documents: n-grams in fewer train texts are left out.
        inverse_penalty: C; larger fits closer.
        max_iterations: of L-BFGS.
        **kwargs: of `LitClassifier`.
    """

    def __init__(
        self,
        *,
        ngrams: int = 2,
        min_documents: int = 2,
        inverse_penalty: float = 10.0,
        max_iterations: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(ngrams=ngrams, min_documents=min_documents, **kwargs)
        self.inverse_penalty, self.max_iterations = inverse_penalty, max_iterations

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(
            TfidfTransformer(sublinear_tf=True),
            LogisticRegression(C=self.inverse_penalty, max_iter=self.max_iterations),
        )
