"""NgramEstimator: scikit-learn estimators over counts of word n-grams."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import LitEstimator
from lit_models.base.ngrams import NgramCounter


class NgramEstimator(LitEstimator):
    """Count n-grams, learnt on the train side; a subclass defines the estimator over them.

    Args:
        ngrams: longest n-gram.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams, the most frequent of the train side; None keeps all.
        **kwargs: arguments of `LitClassifier`.

    Raises:
        ValueError: a size below 1.
    """

    family: ClassVar[str] = "n-grams"

    def __init__(
        self,
        *,
        ngrams: int = 1,
        min_df: int = 2,
        max_features: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sizes = {"ngrams": ngrams, "min_df": min_df, "max_features": max_features}
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.ngrams, self.min_df, self.max_features = ngrams, min_df, max_features
        self._counter: NgramCounter | None = None

    @property
    def counter(self) -> NgramCounter:
        """Counter of the n-grams, once the model is fitted or loaded."""
        assert self._counter is not None, "fit or load the model first"
        return self._counter

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        self._counter = NgramCounter(self.ngrams, self.min_df, len(view.vocabulary) + 1)
        return self._counter.fit(view.tokens, self.max_features)

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        return self.counter.count(tokens)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"ngram_keys": self.counter.keys, "base": np.array([self.counter.base])}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self._counter = NgramCounter(self.ngrams, self.min_df, int(arrays["base"][0]))
        self._counter.keys = arrays["ngram_keys"]
