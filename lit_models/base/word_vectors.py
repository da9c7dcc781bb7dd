"""WordVectorEstimator: base of the classical models over word vectors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import LitEstimator
from lit_models.base.ngrams import NgramCounter


class WordVectorEstimator(LitEstimator):
    """Count the words that have a vector; a subclass computes features of counts and vectors.

    Words without a vector, rare in the texts from which the vectors were learnt, are ignored.
    """

    family: ClassVar[str] = "word vectors"
    needs_vectors: ClassVar[bool] = True
    counter: NgramCounter
    """Counter of the W words that have a vector."""

    def _initialize_embeddings(self, view: TrainView) -> None:
        """Nothing: the vectors are features here, not initial weights."""

    def learn_words(self, view: TrainView) -> np.ndarray:
        """float32[W, d] vectors of the words that have one; those words are counted from now on.

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
        """Set the W words to count, int64 and ascending."""
        self.counter = NgramCounter(1, 1, int(words.max(initial=0)) + 2)
        self.counter.keys = words + 1  # keys of single words, as of `ngram_keys`

    @property
    def words(self) -> np.ndarray:
        """int64[W] token ids of the words that are counted."""
        return self.counter.keys - 1

    def count_words(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, W] counts of those words in each row."""
        return self.counter.count(tokens)
