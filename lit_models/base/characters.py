"""Character n-grams counted from word ids, and word n-grams counted from character ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import NgramCounter

_SPACE, _LETTER, _MARK = range(3)
_MULTIPLIER = 6_364_136_223_846_793_005  # Knuth's, odd: no character is lost in 64 bits


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
            ValueError: no n-gram is left.
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


class WordCounter:
    """Count n-grams of the words that rows of characters make.

    A word is a run of letters, digits, apostrophes and characters outside the vocabulary; any other
    character is a word of its own, and spaces are none. A word's number is the position of its
    64-bit hash among those of the train words.

    Args:
        orders: length of the longest n-gram; all of 1 … orders are counted.
        min_df: n-grams in fewer train rows are left out.

    Attributes:
        kinds: uint8[V] of each character: `_SPACE`, `_LETTER` or `_MARK`.
        hashes: uint64[W], ascending.
        counter: of n-grams of word numbers.
    """

    kinds: np.ndarray
    hashes: np.ndarray
    counter: NgramCounter

    def __init__(self, orders: int, min_df: int) -> None:
        self.orders, self.min_df = orders, min_df

    def fit(self, tokens: Ragged, vocabulary: Sequence[str], specials: set[int]) -> sp.csr_matrix:
        """Learn the words, and the n-grams that occur in enough rows.

        Args:
            tokens: N train rows of characters.
            vocabulary: characters by token id.
            specials: token ids of special tokens, which are part of the word around them.

        Returns:
            float64[N, G] counts.

        Raises:
            ValueError: no n-gram is left.
        """
        kinds = [_LETTER if n in specials else _kind(c) for n, c in enumerate(vocabulary)]
        self.kinds = np.array(kinds, dtype=np.uint8)
        self.hashes = np.unique(self._hashes(tokens)[0])
        self.counter = NgramCounter(self.orders, self.min_df, len(self.hashes) + 2)
        return self.counter.fit(self._words(tokens))

    def count(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, G] counts of the learnt n-grams."""
        return self.counter.count(self._words(tokens))

    def _words(self, tokens: Ragged) -> Ragged:
        """Rows of word numbers; that of an unknown word is W."""
        hashes, offsets = self._hashes(tokens)
        numbers = np.searchsorted(self.hashes, hashes)
        known = self.hashes[numbers.clip(max=len(self.hashes) - 1)] == hashes
        return Ragged(np.where(known, numbers, len(self.hashes)).astype(np.int32), offsets)

    def _hashes(self, tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """uint64 hash of each word, Σ (t_i + 1) · m^i modulo 2^64, and int64[N + 1] offsets."""
        kinds = self.kinds[tokens.values]
        goes_on = np.zeros(len(kinds), dtype=bool)
        goes_on[1:] = (kinds[1:] == _LETTER) & (kinds[:-1] == _LETTER)
        goes_on[tokens.offsets[:-1]] = False
        starts = np.flatnonzero((kinds != _SPACE) & ~goes_on)
        visible = np.flatnonzero(kinds != _SPACE)
        ends = np.searchsorted(visible, starts)  # of the word before each
        lengths = np.diff(ends, append=len(visible))
        places = np.arange(len(visible)) - np.repeat(ends, lengths)
        powers = np.full(lengths.max(initial=1), _MULTIPLIER, dtype=np.uint64).cumprod()
        terms = (tokens.values[visible].astype(np.uint64) + np.uint64(1)) * powers[places]
        sums = np.add.reduceat(terms, ends) if len(ends) else terms
        return sums, np.searchsorted(starts, tokens.offsets)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `load_arrays` restores the counter."""
        keys = self.counter.keys
        return {"word_kinds": self.kinds, "word_hashes": self.hashes, "word_keys": keys}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the counter from `arrays`."""
        self.kinds, self.hashes = arrays["word_kinds"], arrays["word_hashes"]
        self.counter = NgramCounter(self.orders, self.min_df, len(self.hashes) + 2)
        self.counter.keys = arrays["word_keys"]


def _kind(character: str) -> int:
    if character.isspace():
        return _SPACE
    return _LETTER if character.isalnum() or character in "'’" else _MARK


def word_counts(tokens: Ragged, vocab_size: int) -> sp.csr_matrix:
    """float32[N, V] counts of each word in each row."""
    row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
    ones = np.ones(len(row_of), dtype=np.float32)
    return sp.csr_matrix((ones, (row_of, tokens.values)), shape=(len(tokens), vocab_size))
