"""n-grams as integers, counted by sorting integers instead of hashing strings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from datamodules.store.label_sets import members
from datamodules.store.ragged import Ragged

_MULTIPLIER = 6_364_136_223_846_793_005 % 2**62  # Knuth's, odd
HASH_MASK = 2**62 - 1
_ROWS = 16_384  # rows of a matrix that are counted at once

OF_END = -(2**63)
"""Added to the key of an n-gram of a text's last words, which is another than in the whole text."""


def ngram_keys(tokens: Any, orders: int, base: Any, modulus: int | None = None) -> list[Any]:
    """Key of the n-gram that begins at each position, for each order 1 … `orders`.

    The key of an n-gram (t_1 … t_n) is Σ (t_i + 1) · base^(n-i). With a base above every t + 1 all
    n-grams of all orders have different keys; with a modulus the keys are a polynomial rolling
    hash. The ends of texts are ignored: n-grams may extend from one text into the next.

    Args:
        tokens: int64[…, T], an array of NumPy or torch.
        orders: length of the longest n-gram.
        base: number of token ids, plus one; or the multiplier of the hash.
        modulus: modulus of the hash; base · modulus must fit into 63 bits.

    Returns:
        int64[…, T - n + 1] for each order n.
    """
    digits = tokens + 1
    keys_by_order = [digits]
    for order in range(2, orders + 1):
        keys = keys_by_order[-1][..., :-1] * base + digits[..., order - 1 :]
        keys_by_order.append(keys if modulus is None else keys % modulus)
    return keys_by_order


def check_orders(orders: int, base: int) -> None:
    """Check that keys of n-grams fit into 63 bits.

    Raises:
        ValueError: the keys do not fit.
    """
    if orders < 1 or base**orders >= 2**63:
        raise ValueError(
            f"{orders}-grams over {base} token ids do not fit into 63 bits; "
            "lower the order or cap the vocabulary"
        )


def last_tokens(tokens: Ragged, count: int) -> Ragged:
    """The last `count` tokens of each row; shorter rows are whole."""
    lengths = np.minimum(tokens.lengths, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    skipped = np.repeat(tokens.offsets[1:] - offsets[1:], lengths)
    return Ragged(tokens.values[np.arange(offsets[-1]) + skipped], offsets)


def class_documents(counts: sp.csr_matrix, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """int64[C, F], number of texts of each class with each n-gram.

    Args:
        counts: [N, F].
        labels: int64[N], or multi-hot int8[N, C].
        num_classes: C.
    """
    shape = (num_classes, counts.shape[1])
    documents = np.zeros(shape, dtype=np.int64)
    for start in range(0, counts.shape[0], _ROWS):  # a copy of some rows, not of the whole matrix
        block, of_block = counts[start : start + _ROWS], labels[start : start + _ROWS]
        for label in range(num_classes):
            columns = block[members(of_block, label)].indices
            documents[label] += np.bincount(columns, minlength=shape[1])
    return documents


def log_count_ratios(
    documents: np.ndarray, smoothing: float, texts: np.ndarray | None = None
) -> np.ndarray:
    """float64[C, F] r_c = ln((p_c / ‖p_c‖₁) / (q_c / ‖q_c‖₁)), zero for n-grams of no text.

    Args:
        documents: int64[C, F], number of texts of each class with each n-gram.
        smoothing: α of p_c = α + documents_c and of q_c = α + documents of all other classes.
        texts: int64[F], number of texts with each n-gram; None: the sum over the classes, which it
            is where a text has one.
    """
    totals = documents.sum(axis=0) if texts is None else texts
    return np.stack([class_ratios(of_class, totals, smoothing) for of_class in documents])


def class_ratios(documents: np.ndarray, totals: np.ndarray, smoothing: float) -> np.ndarray:
    """float64[F] r_c of one class, as in `log_count_ratios`.

    Args:
        documents: int64[F], number of texts of the class with each n-gram.
        totals: int64[F], number of texts of all classes with each n-gram.
        smoothing: α.
    """
    known = totals > 0
    of_class, of_rest = documents + smoothing, totals - documents + smoothing
    # Added up one after the other, as published rows were.
    p, q = (counts / counts[known].cumsum()[-1:].sum() for counts in (of_class, of_rest))
    ratios: np.ndarray = np.where(known, np.log(p / q), 0.0)
    return ratios


class NgramCounter:
    """Count the n-grams of token rows as scikit-learn's `CountVectorizer` does.

    The vocabulary is one sorted int64 array of keys (`ngram_keys`). Where these do not fit into 63
    bits, as for long n-grams of the thousands of characters of Chinese, they are hashes of 62 bits.
    n-grams of the last words are counted a second time, in columns of their own before the others,
    under their key + `OF_END`.

    Args:
        orders: length of the longest n-gram; all of 1 … orders are counted.
        min_df: n-grams in fewer train rows are left out.
        base: number of token ids, plus one.
        last_words: number of words at the end of a row that are counted a second time.

    Raises:
        ValueError: `orders` is below 1.
    """

    def __init__(self, orders: int, min_df: int, base: int, last_words: int = 0) -> None:
        if orders < 1:
            raise ValueError(f"the longest n-gram has {orders} tokens; it must have at least 1")
        self.orders, self.min_df, self.base = orders, min_df, base
        self.hashed = base**orders >= 2**63
        self.last_words = last_words
        self.keys = np.zeros(0, dtype=np.int64)

    @property
    def multiplier(self) -> int:
        """Base of the keys; with `hashed` of keys modulo 2^62 (`HASH_MASK`)."""
        return _MULTIPLIER if self.hashed else self.base

    def fit(self, tokens: Ragged, most: int | None = None) -> sp.csr_matrix:
        """Learn the n-grams that occur in enough rows.

        Args:
            tokens: N train rows.
            most: largest number of n-grams, the most frequent; of two equally frequent ones the
                shorter, or the one of more frequent words, goes first.

        Returns:
            float64[N, F] counts, in columns of ascending `keys`.

        Raises:
            ValueError: no n-gram is left.
        """
        self.keys, matrix = self._fit(tokens)
        if self.last_words:
            keys, ends = self._fit(last_tokens(tokens, self.last_words))
            self.keys = np.concatenate([keys + OF_END, self.keys])
            matrix = sp.hstack([ends, matrix], format="csr")
        if not len(self.keys):
            raise ValueError(
                f"min_df {self.min_df} leaves no n-gram of the {len(tokens)} texts; lower it"
            )
        if most is None or most >= len(self.keys):
            return matrix
        totals = np.asarray(matrix.sum(axis=0)).ravel()
        columns = np.sort(np.argsort(-totals, kind="stable")[:most])
        self.keys = self.keys[columns]
        return matrix[:, columns]

    def _fit(self, tokens: Ragged) -> tuple[np.ndarray, sp.csr_matrix]:
        """int64[F] keys, ascending, and float64[N, F] counts.

        For each order one sort of integers brings equal n-grams together. An n-gram occurs in no
        more rows than the (n-1)-grams at its start and end, so each order considers only the
        positions where both of these were frequent enough.
        """
        digits = tokens.values.astype(np.int64) + 1
        row_of = np.repeat(np.arange(len(tokens), dtype=np.int32), tokens.lengths)
        start = places = np.arange(len(digits))
        codes, bound = digits, self.base
        keys, counts = [np.zeros(1, dtype=np.int64)], []
        for order in range(1, self.orders + 1):
            if order > 1:
                inside = row_of[: 1 - order] == row_of[order - 1 :]  # no n-gram spans two rows
                start = np.flatnonzero(inside & (places[:-1] >= 0) & (places[1:] >= 0))
                codes = places[start] * self.base + digits[start + order - 1]
                bound = len(keys[-1]) * self.base
            learnt = _learn(codes, bound, row_of[start], len(tokens), self.min_df)
            places = np.full(max(0, len(digits) - order + 1), -1)  # column of what begins there
            places[start] = learnt.places
            prefix, last = np.divmod(learnt.codes, self.base)
            keys.append(self.key(keys[-1][prefix], last))
            counts.append(learnt.counts)
        all_keys, matrix = np.concatenate(keys[1:]), sp.hstack(counts, format="csr")
        if not self.hashed:
            return all_keys, matrix
        ascending = np.argsort(all_keys, kind="stable")
        return all_keys[ascending], matrix[:, ascending]

    def key(self, prefix: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Key of an n-gram from that of all its tokens but the last, and the last one's digit."""
        if not self.hashed:
            return prefix * self.base + last
        return (prefix * _MULTIPLIER + last) & HASH_MASK  # overflow: modulo 2^64

    def count(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, F] counts of the learnt n-grams; others are ignored."""
        rows, all_keys = self.ngrams(tokens)
        ascending = np.argsort(all_keys)  # ordered searches stay in the processor's cache
        all_keys = all_keys[ascending]
        column = np.searchsorted(self.keys, all_keys)
        column[column == len(self.keys)] = 0
        known = self.keys[column] == all_keys
        entries = rows[ascending][known], column[known]
        ones = np.ones(len(entries[0]), dtype=np.float64)
        # The constructor adds up repeated entries.
        matrix = sp.csr_matrix((ones, entries), shape=(len(tokens), len(self.keys)))
        matrix.sort_indices()
        return matrix

    def positions(self, tokens: Ragged) -> int:
        """Number of n-grams of some rows at most, repeated ones included."""
        ends = int(np.minimum(tokens.lengths, self.last_words).sum())
        return (int(tokens.offsets[-1]) + ends) * self.orders

    def ngrams(self, tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """int64 row and int64 key of each n-gram, those of the last words included."""
        rows, keys = self._ngrams(tokens)
        if not self.last_words:
            return rows, keys
        end_rows, end_keys = self._ngrams(last_tokens(tokens, self.last_words))
        return np.concatenate([end_rows, rows]), np.concatenate([end_keys + OF_END, keys])

    def _ngrams(self, tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """int64 row and int64 key of each n-gram."""
        row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
        rows, keys = [], []
        keys_by_order = ngram_keys(tokens.values.astype(np.int64), self.orders, self.multiplier)
        for order, starting in enumerate(keys_by_order):
            starting = starting & HASH_MASK if self.hashed else starting
            inside = row_of[: len(starting)] == row_of[order:]  # no n-gram spans two rows
            rows.append(row_of[: len(starting)][inside])
            keys.append(starting[inside])
        return np.concatenate(rows), np.concatenate(keys)


class _Learnt(NamedTuple):
    """n-grams of one order: int64[F] codes, column at each position (-1: none), counts."""

    codes: np.ndarray
    places: np.ndarray
    counts: sp.csc_matrix


def _learn(codes: np.ndarray, bound: int, rows: np.ndarray, num_rows: int, min_df: int) -> _Learnt:
    """Number the codes that occur in enough rows, in ascending order.

    Args:
        codes: int64[P], 0 … bound - 1.
        bound: see `codes`.
        rows: int32[P] row of each code, ascending.
        num_rows: N.
        min_df: codes in fewer rows get no column.
    """
    values, positions = _stable_sort(codes, bound)
    rows = rows[positions]
    new = np.diff(values, prepend=-1) != 0
    first = np.flatnonzero(new | (np.diff(rows, prepend=-1) != 0))  # occurrence of a code in a row
    number = np.cumsum(new) - 1
    documents = np.bincount(number[first])
    frequent = documents >= min_df
    column = np.where(frequent, np.cumsum(frequent) - 1, -1)
    places = np.empty(len(codes), dtype=np.int64)
    places[positions] = column[number]
    in_matrix = frequent[number[first]]
    counts = np.diff(first, append=len(codes))[in_matrix].astype(np.float64)
    ends = np.concatenate([[0], np.cumsum(documents[frequent])])
    shape = (num_rows, len(ends) - 1)
    matrix = sp.csc_matrix((counts, rows[first][in_matrix], ends), shape=shape)
    return _Learnt(values[new][frequent], places, matrix)


def _stable_sort(codes: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes in ascending order and the old position of each; equal codes keep their order."""
    size = max(len(codes), 1)
    if bound > 2**63 // size:
        positions = np.argsort(codes, kind="stable")
        return codes[positions], positions
    packed = codes * size + np.arange(len(codes))  # sorting integers is faster than an argsort
    packed.sort()
    values, positions = np.divmod(packed, size)
    return values, positions
