"""WordVectorEstimator: what the classical models over word vectors share."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import LitEstimator
from lit_models.base.ngrams import NgramCounter


class WordVectorEstimator(LitEstimator):
    """Counts the words that have a vector; a subclass makes features of counts and vectors.

    Words without one, rare in the texts that the vectors were learnt from, are left out.
    """

    counter: NgramCounter
    """Of the W words that have a vector."""

    def _take_vectors(self, view: TrainView) -> None:
        """Nothing: they are features here, not the start of a layer."""

    def learn_words(self, view: TrainView) -> np.ndarray:
        """float32[W, d]: the vectors of the words that have one, remembering which those are.

        Raises:
            ValueError: the corpus gives no vectors.
        """
        if view.vectors is None:
            raise ValueError(
                f"{type(self).__name__} needs word vectors, and data.vectors is null; set "
                "--data.vectors datamodules.vectors.word2vec.Word2Vec"
            )
        has = np.asarray(view.vectors.any(axis=1))
        has[[view.pad_id, view.unk_id]] = False
        self.set_words(np.flatnonzero(has))
        return view.vectors[has]

    def set_words(self, words: np.ndarray) -> None:
        """Takes the W words, int64 and ascending, that are counted."""
        self.counter = NgramCounter(1, 1, int(words.max(initial=0)) + 2)
        self.counter.keys = words + 1  # a single word's number, as `ngram_keys` gives it

    @property
    def words(self) -> np.ndarray:
        """int64[W], token numbers of the words that are counted."""
        return self.counter.keys - 1

    def count_words(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, W]: how often each of them stands in each row."""
        return self.counter.count(tokens)
