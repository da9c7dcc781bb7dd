"""n-grams as integers, and their counts by sorting those instead of hashing strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from datamodules.batching import Ragged


def ngram_keys(tokens: Any, orders: int, base: Any, modulus: int | None = None) -> list[Any]:
    """The number of the n-gram that begins at each position, for the orders 1 … `orders`.

    An n-gram (t_1 … t_n) is the number Σ (t_i + 1) · base^(n-i). With a base above every t + 1 the
    numbers of all n-grams of all orders differ; with a modulus they are a polynomial rolling hash.
    Nothing is known here of where texts end.

    Args:
        tokens: int64[…, T], an array of NumPy or of torch.
        orders: longest n-gram.
        base: number of token ids, plus one; or the multiplier of the hash.
        modulus: takes every number modulo this; base · modulus must fit into 63 bits.

    Returns:
        For each order n int64[…, T - n + 1].
    """
    digits = tokens + 1
    found = [digits]
    for order in range(2, orders + 1):
        keys = found[-1][..., :-1] * base + digits[..., order - 1 :]
        found.append(keys if modulus is None else keys % modulus)
    return found


def check_orders(orders: int, base: int) -> None:
    """Makes sure that n-grams have distinct numbers.

    Raises:
        ValueError: the n-grams do not fit into 63 bits.
    """
    if orders < 1 or base**orders >= 2**63:
        raise ValueError(
            f"{orders}-grams over {base} token ids do not fit into 63 bits; "
            "lower the order or cap the vocabulary"
        )


class NgramCounter:
    """Counts the n-grams of token rows as scikit-learn's CountVectorizer would.

    An n-gram is its number (`ngram_keys`), so one sorted int64 array is the whole vocabulary.

    Args:
        orders: longest n-gram; all of 1 … orders are counted.
        min_documents: n-grams in fewer train rows are left out.
        base: number of token ids, plus one.

    Raises:
        ValueError: the n-grams do not fit into 63 bits.
    """

    def __init__(self, orders: int, min_documents: int, base: int) -> None:
        check_orders(orders, base)
        self.orders, self.min_documents, self.base = orders, min_documents, base
        self.keys = np.zeros(0, dtype=np.int64)

    def fit(self, tokens: Ragged) -> sp.csr_matrix:
        """Learns the n-grams that enough rows have.

        Args:
            tokens: N train rows.

        Returns:
            float64[N, F] counts; columns follow the ascending `keys`.

        Raises:
            ValueError: no n-gram is left.
        """
        rows, keys = self._occurrences(tokens)
        every, column = np.unique(keys, return_inverse=True)
        counts = _count_matrix(rows, column, (len(tokens), len(every)))
        documents = np.bincount(counts.indices, minlength=len(every))
        kept = np.flatnonzero(documents >= self.min_documents)
        if not len(kept):
            raise ValueError(
                f"min_documents {self.min_documents} leaves no n-gram of {len(every)}; lower it"
            )
        self.keys = every[kept]
        return counts[:, kept]

    def count(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, F] counts of the learnt n-grams; all others are ignored."""
        rows, keys = self._occurrences(tokens)
        column = np.searchsorted(self.keys, keys)
        column[column == len(self.keys)] = 0
        known = self.keys[column] == keys
        return _count_matrix(rows[known], column[known], (len(tokens), len(self.keys)))

    def _occurrences(self, tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """int64 row and key of every n-gram that stands in the rows, orders one after the other."""
        row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
        rows, found = [], []
        keys_by_order = ngram_keys(tokens.values.astype(np.int64), self.orders, self.base)
        for order, keys in enumerate(keys_by_order):
            inside = row_of[: len(keys)] == row_of[order:]  # no n-gram spans two rows
            rows.append(row_of[: len(keys)][inside])
            found.append(keys[inside])
        return np.concatenate(rows), np.concatenate(found)


def _count_matrix(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    ones = np.ones(len(rows), dtype=np.float64)
    matrix = sp.csr_matrix((ones, (rows, columns)), shape=shape)  # sums what stands twice
    matrix.sort_indices()
    return matrix
