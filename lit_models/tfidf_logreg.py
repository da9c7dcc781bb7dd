"""TfidfLogReg: TF-IDF weighted n-grams into a logistic regression (scikit-learn)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from datamodules.batching import Ragged, TrainView
from lit_models.estimator import LitEstimator
from lit_models.ngrams import NgramCounter


class TfidfLogReg(LitEstimator):
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
        super().__init__(**kwargs)
        for name, value in (("ngrams", ngrams), ("min_documents", min_documents)):
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.ngrams, self.min_documents = ngrams, min_documents
        self.inverse_penalty, self.max_iterations = inverse_penalty, max_iterations
        self.counter: NgramCounter | None = None

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(
            TfidfTransformer(sublinear_tf=True),
            LogisticRegression(C=self.inverse_penalty, max_iter=self.max_iterations),
        )

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        self.counter = NgramCounter(self.ngrams, self.min_documents, len(view.vocabulary) + 1)
        return self.counter.fit(view.tokens)

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        assert self.counter is not None, "fit or load the model first"
        return self.counter.count(tokens)

    def arrays(self) -> dict[str, np.ndarray]:
        assert self.counter is not None, "fit or load the model first"
        return {"ngram_keys": self.counter.keys, "base": np.array([self.counter.base])}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.counter = NgramCounter(self.ngrams, self.min_documents, int(arrays["base"][0]))
        self.counter.keys = arrays["ngram_keys"]
