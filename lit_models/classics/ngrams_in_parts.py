"""n-grams of corpora whose n-grams do not fit into memory all at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import HASH_MASK, OF_END, NgramCounter, last_tokens, ngram_keys
from lit_models.classics.key_columns import KeyColumns

_ROWS = 2**14  # most texts whose n-grams are sorted at once
_WAITING = 2**23  # n-grams of single blocks, at least so many before they are added up


def fit_in_parts(counter: NgramCounter, tokens: Ragged, most: int) -> sp.csr_matrix:
    """Learn the same n-grams as `NgramCounter.fit`, in the memory of their counts.

    Args:
        counter: not fitted; gets its keys.
        tokens: N train rows.
        most: largest number F of n-grams.

    Returns:
        float32[N, F] counts.

    Raises:
        ValueError: no n-gram is left.
    """
    keys, totals = _frequent(counter, tokens, most)
    if not len(keys):
        raise ValueError(
            f"min_df {counter.min_df} leaves no n-gram of the {len(tokens)} texts; lower it"
        )
    ascending = np.argsort(keys)
    keys, totals = keys[ascending], totals[ascending]
    counter.keys = keys[np.sort(np.argsort(-totals, kind="stable")[:most])]
    return _counted(counter, tokens)


def _frequent(counter: NgramCounter, tokens: Ragged, most: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 keys of the most frequent n-grams, all that are as frequent as the last, and counts.

    An n-gram is no more frequent than the (n-1)-grams that it begins and ends with, so each order
    considers only the positions where both are among the most frequent so far.
    """
    shorter = np.array([OF_END, 0] if counter.last_words else [0])  # keys of no token at all
    keys, totals = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    for order in range(1, counter.orders + 1):
        longer, counts = _of_order(counter, tokens, order, shorter)
        keys, totals = np.concatenate([keys, longer]), np.concatenate([totals, counts])
        least = np.partition(totals, -most)[-most] if len(totals) > most else 0
        shorter = longer[counts >= least]
        keys, totals = keys[totals >= least], totals[totals >= least]
        if not len(shorter):
            break
    return keys, totals


def _of_order(
    counter: NgramCounter, tokens: Ragged, order: int, shorter: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """int64 keys of the n-grams of an order that occur in enough rows, and int32 counts of them.

    Args:
        counter: for its settings.
        tokens: train rows.
        order: n.
        shorter: int64 keys of the (n-1)-grams that they may begin and end with.
    """
    columns, sums = KeyColumns(np.sort(shorter)), _Sums()
    # An n-gram is coded by the column of its first n-1 tokens and the last token. The code and the
    # row are sorted as one number of 63 bits.
    rows = max(1, min(_ROWS, 2**63 // (len(shorter) * counter.base)))
    for block in _blocks(tokens, rows):
        packed = [_packed(counter, block, order, columns, 0)]
        if counter.last_words:
            ends = last_tokens(block, counter.last_words)
            packed.append(_packed(counter, ends, order, columns, OF_END))
        sums.add(np.concatenate(packed), len(block))
    codes, documents, totals = sums.result()
    enough = documents >= counter.min_df
    prefix, last = np.divmod(codes[enough], counter.base)
    beginning = columns.keys[prefix]
    keys = counter.key(beginning & ~OF_END, last) | (beginning & OF_END)
    return keys, totals[enough]


def _packed(
    counter: NgramCounter, tokens: Ragged, order: int, columns: KeyColumns, offset: int
) -> np.ndarray:
    """int64 code · rows + row of each n-gram of an order that begins and ends with known ones."""
    row_of = np.repeat(np.arange(len(tokens)), tokens.lengths)
    shorter = _keys_of_order(counter, tokens, order - 1)
    places = columns.find(shorter + offset)
    inside = row_of[: max(0, len(row_of) + 1 - order)] == row_of[order - 1 :]
    starts = np.flatnonzero(inside & (places[:-1] >= 0) & (places[1:] >= 0))
    digits = tokens.values[starts + order - 1].astype(np.int64) + 1
    codes = places[starts] * np.int64(counter.base) + digits
    return codes * len(tokens) + row_of[starts]


class _Sums:
    """Rows and occurrences of each code, added up over blocks of rows."""

    def __init__(self) -> None:
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._limit = _WAITING

    def add(self, packed: np.ndarray, rows: int) -> None:
        """Add the occurrences of a block.

        Args:
            packed: int64 code · rows + row of each.
            rows: number of rows of the block.
        """
        packed.sort()
        codes = packed // rows
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        first_of_row = np.diff(packed, prepend=-1) != 0
        documents = _added(first_of_row, starts)
        totals = np.diff(starts, append=len(codes)).astype(np.int32)
        self._waiting.append((codes[starts], documents, totals))
        if sum(len(codes) for codes, *_ in self._waiting) > self._limit:
            self._limit = len(self.result()[0]) * 3 // 2 + _WAITING

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """int64 codes, ascending; int32 number of rows and of occurrences of each."""
        runs, *of_runs = map(list, zip(*self._waiting, strict=True))
        self._waiting = []
        codes = np.concatenate(runs)
        del runs  # one array after the other: this is where the memory is largest
        order = np.argsort(codes, kind="stable")  # merges runs, which the codes of a block are
        codes = codes[order]
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]])[: len(codes)])
        sums = [_added(np.concatenate(of_runs.pop(0))[order], starts) for _ in range(2)]
        self._waiting = [(codes[starts], sums[0], sums[1])]
        return self._waiting[0]


def _added(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """int32 sums of the values from each start to the next."""
    if not len(starts):
        return np.zeros(0, dtype=np.int32)
    sums: np.ndarray = np.add.reduceat(values, starts, dtype=np.int32)
    return sums


def _counted(counter: NgramCounter, tokens: Ragged) -> sp.csr_matrix:
    columns, width = KeyColumns(counter.keys), len(counter.keys)
    indices, data, ends = array("i"), array("f"), [0]  # arrays grow in place
    for block in _blocks(tokens, max(1, min(_ROWS, 2**32 // width))):
        rows, keys = counter.ngrams(block)
        places = columns.find(keys)
        known = np.flatnonzero(places >= 0)
        codes = (rows[known] * width + places[known]).astype(np.uint32)
        codes.sort()
        starts = np.flatnonzero(np.diff(codes, prepend=~codes[:1]))
        row, column = np.divmod(codes[starts], np.uint32(width))
        indices.frombytes(column.astype(np.int32).tobytes())
        data.frombytes(np.diff(starts, append=len(codes)).astype(np.float32).tobytes())
        ends.extend((ends[-1] + np.cumsum(np.bincount(row, minlength=len(block)))).tolist())
    kind = np.int32 if ends[-1] < 2**31 else np.int64
    parts = np.frombuffer(data, np.float32), np.frombuffer(indices, np.int32), np.array(ends, kind)
    return sp.csr_matrix(parts, shape=(len(tokens), width))


def _blocks(tokens: Ragged, rows: int) -> Iterator[Ragged]:
    for start in range(0, len(tokens), rows):
        offsets = tokens.offsets[start : start + rows + 1]
        yield Ragged(tokens.values[offsets[0] : offsets[-1]], offsets - offsets[0])


def _keys_of_order(counter: NgramCounter, tokens: Ragged, order: int) -> np.ndarray:
    """int64 key of the n-gram of an order at each position, as if all rows were one."""
    if order == 0:
        return np.zeros(len(tokens.values) + 1, dtype=np.int64)
    keys: np.ndarray = ngram_keys(tokens.values.astype(np.int64), order, counter.multiplier)[-1]
    return keys & HASH_MASK if counter.hashed else keys
