"""Character n-grams of texts, counted from word ids without the text itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import NgramCounter


class CharacterCounter:
    """Count character n-grams as scikit-learn's `CountVectorizer(analyzer="char_wb")` does.

    An n-gram is part of one word with a blank at either end (" film " contains " fil"), so a
    text's counts are the sum of those of its words: (texts × words) · (words × n-grams). Words
    outside the vocabulary contribute none.

    Args:
        orders: length of the longest n-gram; all of 1 … orders are counted.
        min_df: n-grams in fewer train rows are left out.

    Attributes:
        of_words: float32[V, G] counts of the n-grams in each word of the vocabulary.
    """

    of_words: sp.csr_matrix

    def __init__(self, orders: int, min_df: int) -> None:
        self.orders, self.min_df = orders, min_df

    def fit(self, tokens: Ragged, vocabulary: Sequence[str], specials: set[int]) -> sp.csr_matrix:
        """Learn the n-grams that occur in enough rows.

        Args:
            tokens: N train rows.
            vocabulary: words by token id.
            specials: token ids of special tokens, which have no n-grams.

        Returns:
            float32[N, G] counts.

        Raises:
            ValueError: no n-gram is left, or the n-grams do not fit into 63 bits.
        """
        padded = ["" if n in specials else f" {word} " for n, word in enumerate(vocabulary)]
        characters = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32)
        alphabet, digits = np.unique(characters, return_inverse=True)
        offsets = np.concatenate([[0], np.cumsum([len(word) for word in padded])])
        counter = NgramCounter(self.orders, 1, len(alphabet) + 1)
        of_words = counter.fit(Ragged(digits.astype(np.int32), offsets)).astype(np.float32)
        counts = word_counts(tokens, len(vocabulary)) @ of_words
        frequent = np.bincount(counts.indices, minlength=counts.shape[1]) >= self.min_df
        if not frequent.any():
            raise ValueError(
                f"min_df {self.min_df} leaves no character n-gram of the "
                f"{len(tokens)} texts; lower it"
            )
        self.of_words = of_words[:, frequent]
        return counts[:, frequent]

    def count(self, tokens: Ragged) -> sp.csr_matrix:
        """float32[N, G] counts of the learnt n-grams."""
        return word_counts(tokens, self.of_words.shape[0]) @ self.of_words

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `load_arrays` restores the counter."""
        matrix = self.of_words
        return {
            "character_data": matrix.data.astype(np.uint16),
            "character_indices": matrix.indices,
            "character_indptr": matrix.indptr,
            "character_shape": np.array(matrix.shape),
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the counter from `arrays`."""
        data, indices, indptr, shape = (
            arrays[f"character_{name}"] for name in ("data", "indices", "indptr", "shape")
        )
        self.of_words = sp.csr_matrix(
            (data.astype(np.float32), indices, indptr), shape=tuple(shape.tolist())
        )


def word_counts(tokens: Ragged, vocab_size: int) -> sp.csr_matrix:
    """float32[N, V] counts of each word in each row."""
    row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
    ones = np.ones(len(row_of), dtype=np.float32)
    return sp.csr_matrix((ones, (row_of, tokens.values)), shape=(len(tokens), vocab_size))
