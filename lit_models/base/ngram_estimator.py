"""NgramEstimator: scikit-learn over counts of word n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import LitEstimator
from lit_models.base.ngrams import NgramCounter


class NgramEstimator(LitEstimator):
    """Counts n-grams, learnt on the train side; a subclass stands an estimator over them.

    Args:
        ngrams: longest n-gram.
        min_documents: n-grams in fewer train texts are left out.
        max_ngrams: most n-grams, the most frequent of the train side; None keeps all.
        **kwargs: of `LitClassifier`.

    Raises:
        ValueError: sizes below 1.
    """

    def __init__(
        self,
        *,
        ngrams: int = 1,
        min_documents: int = 2,
        max_ngrams: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sizes = {"ngrams": ngrams, "min_documents": min_documents, "max_ngrams": max_ngrams}
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.ngrams, self.min_documents, self.max_ngrams = ngrams, min_documents, max_ngrams
        self._counter: NgramCounter | None = None

    @property
    def counter(self) -> NgramCounter:
        """The n-grams; known once the model is fitted or loaded."""
        assert self._counter is not None, "fit or load the model first"
        return self._counter

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        self._counter = NgramCounter(self.ngrams, self.min_documents, len(view.vocabulary) + 1)
        return self._counter.fit(view.tokens, self.max_ngrams)

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        return self.counter.count(tokens)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"ngram_keys": self.counter.keys, "base": np.array([self.counter.base])}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self._counter = NgramCounter(self.ngrams, self.min_documents, int(arrays["base"][0]))
        self._counter.keys = arrays["ngram_keys"]
