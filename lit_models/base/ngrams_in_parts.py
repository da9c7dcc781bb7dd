"""n-grams of corpora whose n-grams do not fit into memory all at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import NgramCounter

PART = 2**25
"""Keys of n-grams that are sorted at once; about 1 GB at the peak."""
_ROWS = 4096  # texts whose n-grams are numbered at once
_SPREAD = np.uint64(11_400_714_819_323_198_485)  # 2^64 / golden ratio: Fibonacci hashing


def fit_in_parts(counter: NgramCounter, tokens: Ragged, most: int) -> sp.csr_matrix:
    """Learn the same n-grams as `NgramCounter.fit`, in the memory of their counts.

    The n-grams are divided by a hash of their keys, and each part is counted by a pass over the
    texts. The most frequent of all parts are then counted text by text.

    Args:
        counter: not fitted; gets its keys.
        tokens: N train rows.
        most: largest number F of n-grams.

    Returns:
        float32[N, F] counts.

    Raises:
        ValueError: no n-gram is left.
    """
    bits = max(0, (counter.positions(tokens) - 1) // PART).bit_length()
    found = [_frequent(counter, tokens, part, bits) for part in range(2**bits)]
    keys, totals = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    if not len(keys):
        raise ValueError(
            f"min_df {counter.min_df} leaves no n-gram of the {len(tokens)} texts; lower it"
        )
    ascending = np.argsort(keys)
    keys, totals = keys[ascending], totals[ascending]
    counter.keys = keys[np.sort(np.argsort(-totals, kind="stable")[:most])]
    return _counted(counter, tokens)


def _frequent(
    counter: NgramCounter, tokens: Ragged, part: int, bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """int64 keys of the n-grams of a part that occur in enough rows, and int64 counts of them."""
    of_blocks = []
    for block in _blocks(tokens):
        rows, keys = counter.ngrams(block)
        if bits:
            mine = (keys.view(np.uint64) * _SPREAD) >> np.uint64(64 - bits) == part
            rows, keys = rows[mine], keys[mine]
        order = np.argsort(keys, kind="stable")  # equal keys keep their order, that of the rows
        rows, keys = rows[order], keys[order]
        new = np.diff(keys, prepend=keys[:1] - 1) != 0
        starts = np.flatnonzero(new)
        first = new | (np.diff(rows, prepend=-1) != 0)
        documents = np.add.reduceat(first, starts, dtype=np.int32) if len(starts) else starts
        of_blocks.append((keys[starts], documents, np.diff(starts, append=len(keys))))
    keys, documents, counts = (np.concatenate(arrays) for arrays in zip(*of_blocks, strict=True))
    del of_blocks
    unique, inverse = np.unique(keys, return_inverse=True)
    enough = np.bincount(inverse, documents, len(unique)) >= counter.min_df
    totals = np.bincount(inverse, counts, len(unique)).astype(np.int64)
    return unique[enough], totals[enough]


def _counted(counter: NgramCounter, tokens: Ragged) -> sp.csr_matrix:
    indices, data, ends = array("i"), array("f"), [0]  # arrays grow in place
    for block in _blocks(tokens):
        counts = counter.count(block)
        indices.frombytes(counts.indices.astype(np.int32, copy=False).tobytes())
        data.frombytes(counts.data.astype(np.float32).tobytes())
        ends.extend((ends[-1] + counts.indptr[1:].astype(np.int64)).tolist())
    kind = np.int32 if ends[-1] < 2**31 else np.int64
    parts = np.frombuffer(data, np.float32), np.frombuffer(indices, np.int32), np.array(ends, kind)
    return sp.csr_matrix(parts, shape=(len(tokens), len(counter.keys)))


def _blocks(tokens: Ragged) -> Iterator[Ragged]:
    for start in range(0, len(tokens), _ROWS):
        offsets = tokens.offsets[start : start + _ROWS + 1]
        yield Ragged(tokens.values[offsets[0] : offsets[-1]], offsets - offsets[0])
