"""n-grams as integers, and their counts by sorting those instead of hashing strings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged


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


def log_count_ratios(documents: np.ndarray, smoothing: float) -> np.ndarray:
    """float64[C, F] r_c = ln((p_c / ‖p_c‖₁) / (q_c / ‖q_c‖₁)), zero for what no text has.

    Args:
        documents: int64[C, F], texts of each class that have each n-gram.
        smoothing: α of p_c = α + documents_c and of q_c = α + documents of all other classes.
    """
    known = documents.sum(axis=0) > 0
    own = documents + smoothing
    others = documents.sum(axis=0) - documents + smoothing
    shares = [counts / counts[:, known].sum(axis=1, keepdims=True) for counts in (own, others)]
    ratios: np.ndarray = np.where(known, np.log(shares[0] / shares[1]), 0.0)
    return ratios


class NgramCounter:
    """Counts the n-grams of token rows as scikit-learn's CountVectorizer would.

    An n-gram is its number (`ngram_keys`), so one sorted int64 array is the whole vocabulary.

    Args:
        orders: longest n-gram; all of 1 … orders are counted.
        min_df: n-grams in fewer train rows are left out.
        base: number of token ids, plus one.

    Raises:
        ValueError: the n-grams do not fit into 63 bits.
    """

    def __init__(self, orders: int, min_df: int, base: int) -> None:
        check_orders(orders, base)
        self.orders, self.min_df, self.base = orders, min_df, base
        self.keys = np.zeros(0, dtype=np.int64)

    def fit(self, tokens: Ragged, most: int | None = None) -> sp.csr_matrix:
        """Learns the n-grams that enough rows have.

        For each order one sort of integers brings equal n-grams together. An n-gram stands in no
        more rows than the two that it begins and ends with, so the next order looks only at places
        where both of these were frequent enough.

        Args:
            tokens: N train rows.
            most: keeps no more than this many, those that stand most often; of two that stand
                equally often, the shorter one or that of more frequent words.

        Returns:
            float64[N, F] counts; columns follow the ascending `keys`.

        Raises:
            ValueError: no n-gram is left.
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
            places = np.full(len(digits) - order + 1, -1)  # of the n-gram that begins there
            places[start] = learnt.places
            prefix, last = np.divmod(learnt.codes, self.base)
            keys.append(keys[-1][prefix] * self.base + last)
            counts.append(learnt.counts)
        self.keys = np.concatenate(keys[1:])
        if not len(self.keys):
            raise ValueError(
                f"min_df {self.min_df} leaves no n-gram of the {len(tokens)} texts; lower it"
            )
        matrix = sp.hstack(counts, format="csr")
        if most is None or most >= len(self.keys):
            return matrix
        totals = np.asarray(matrix.sum(axis=0)).ravel()
        kept = np.sort(np.argsort(-totals, kind="stable")[:most])
        self.keys = self.keys[kept]
        return matrix[:, kept]

    def count(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, F] counts of the learnt n-grams; all others are ignored."""
        row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
        rows, found = [], []
        keys_by_order = ngram_keys(tokens.values.astype(np.int64), self.orders, self.base)
        for order, keys in enumerate(keys_by_order):
            inside = row_of[: len(keys)] == row_of[order:]  # no n-gram spans two rows
            rows.append(row_of[: len(keys)][inside])
            found.append(keys[inside])
        every = np.concatenate(found)
        order_of = np.argsort(every)  # searches in order stay in the processor's cache
        every = every[order_of]
        column = np.searchsorted(self.keys, every)
        column[column == len(self.keys)] = 0
        known = self.keys[column] == every
        place = np.concatenate(rows)[order_of][known], column[known]
        ones = np.ones(len(place[0]), dtype=np.float64)
        matrix = sp.csr_matrix((ones, place), shape=(len(tokens), len(self.keys)))
        matrix.sort_indices()  # it has summed what stands twice
        return matrix


class _Learnt(NamedTuple):
    """The n-grams of one order: int64[F] codes, their columns by place (-1: none), csc counts."""

    codes: np.ndarray
    places: np.ndarray
    counts: sp.csc_matrix


def _learn(codes: np.ndarray, bound: int, rows: np.ndarray, num_rows: int, min_df: int) -> _Learnt:
    """Numbers the codes that enough rows have, in ascending order.

    Args:
        codes: int64[P], 0 … bound - 1.
        bound: see there.
        rows: int32[P], ascending row of each.
        num_rows: N.
        min_df: codes in fewer rows get no column.
    """
    values, positions = _stable_sort(codes, bound)
    rows = rows[positions]
    new = np.diff(values, prepend=-1) != 0
    first = np.flatnonzero(new | (np.diff(rows, prepend=-1) != 0))  # of a code in a row
    number = np.cumsum(new) - 1
    documents = np.bincount(number[first])
    kept = documents >= min_df
    column = np.where(kept, np.cumsum(kept) - 1, -1)
    places = np.empty(len(codes), dtype=np.int64)
    places[positions] = column[number]
    stays = kept[number[first]]
    counts = np.diff(first, append=len(codes))[stays].astype(np.float64)
    ends = np.concatenate([[0], np.cumsum(documents[kept])])
    shape = (num_rows, len(ends) - 1)
    matrix = sp.csc_matrix((counts, rows[first][stays], ends), shape=shape)
    return _Learnt(values[new][kept], places, matrix)


def _stable_sort(codes: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """The codes in ascending order and where each stood, equal ones in their old order."""
    size = max(len(codes), 1)
    if bound > 2**63 // size:
        positions = np.argsort(codes, kind="stable")
        return codes[positions], positions
    packed = codes * size + np.arange(len(codes))  # sorting numbers is faster than sorting places
    packed.sort()
    values, positions = np.divmod(packed, size)
    return values, positions
