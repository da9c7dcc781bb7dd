"""NgramEstimator: scikit-learn estimators over counts of word n-grams."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import LitEstimator
from lit_models.base.ngrams import NgramCounter
from lit_models.base.ngrams_in_parts import fit_in_parts

IN_MEMORY = 2**28
"""Most running n-grams of all orders that are counted at once, and four times as many as the most
running tokens: these bound the memory to some 8 GB. More of them are counted in parts."""
MOST_IN_PARTS = 2**20
"""Most n-grams that are features where they are counted in parts and no number is set."""


class NgramEstimator(LitEstimator):
    """Count n-grams, learnt on the train side; a subclass defines the estimator over them.

    Args:
        ngrams: longest n-gram.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams, the most frequent of the train side. None keeps all, but of
            more than `IN_MEMORY` running n-grams `MOST_IN_PARTS`.
        last_words: number of words at the end of a text whose n-grams are features of their own
            too, since reviews conclude at the end; 0 for none.
        **kwargs: arguments of `LitClassifier`.

    Raises:
        ValueError: a size below 1, or `last_words` below 0.
    """

    family: ClassVar[str] = "n-grams"
    any_vocabulary: ClassVar[bool] = True

    def __init__(
        self,
        *,
        ngrams: int = 1,
        min_df: int = 2,
        max_features: int | None = None,
        last_words: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sizes = {"ngrams": ngrams, "min_df": min_df, "max_features": max_features}
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        if last_words < 0:
            raise ValueError(f"model.last_words is {last_words}; it must be at least 0")
        self.ngrams, self.min_df, self.max_features = ngrams, min_df, max_features
        self.last_words = last_words
        self._counter: NgramCounter | None = None

    @property
    def counter(self) -> NgramCounter:
        """Counter of the n-grams, once the model is fitted or loaded."""
        assert self._counter is not None, "fit or load the model first"
        return self._counter

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        counter = self._counter = self._new_counter(len(view.vocabulary) + 1)
        positions = counter.positions(view.tokens)
        if max(positions, 4 * len(view.tokens.values)) <= IN_MEMORY:
            return counter.fit(view.tokens, self.max_features)
        counts = fit_in_parts(counter, view.tokens, self.max_features or MOST_IN_PARTS)
        if self.max_features is None and len(counter.keys) == MOST_IN_PARTS:
            self.notes += (
                f"{positions:,} running n-grams are too many to keep all different ones: the "
                f"{MOST_IN_PARTS:,} most frequent are features (--model.max_features sets another "
                "number)",
            )
        return counts

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        return self.counter.count(tokens)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"ngram_keys": self.counter.keys, "base": np.array([self.counter.base])}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self._counter = self._new_counter(int(arrays["base"][0]))
        self._counter.keys = arrays["ngram_keys"]

    def _new_counter(self, base: int) -> NgramCounter:
        return NgramCounter(self.ngrams, self.min_df, base, self.last_words)
