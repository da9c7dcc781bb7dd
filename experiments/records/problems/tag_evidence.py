"""Counts of tags as small arrays of an evidence file, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.tag_counts import TagCounts
from experiments.records.row import ResultsError

_LARGEST = float(np.finfo(np.float16).max)


def tag_arrays(rows: TagCounts) -> dict[str, NDArray]:
    """Arrays of counts in id order.

    Right ones, those tagged that are wrong, and those missed are three small numbers, kind by kind.
    The loss is that of a word, in 16 bits. Arrays of two bytes are stored byte by byte, which
    compresses better: the high bytes of most texts are 0.
    """
    right, tagged, there = rows.counts.transpose(2, 1, 0)  # each [C, N]
    losses = -rows.log_probabilities.astype(np.float64) / rows.words
    return {
        "kinds": np.array(rows.kinds),
        "averaged": np.array(rows.averaged),
        "words": _by_byte(rows.words),
        "counts": _by_byte(np.stack([right, tagged - right, there - right])),
        "losses": np.minimum(losses, _LARGEST).astype("<f2").view(np.uint8).reshape(-1, 2).T.copy(),
    }


def tag_counts(arrays: Mapping[str, NDArray], ids: NDArray[np.int64]) -> tuple[TagCounts, bytes]:
    """Counts of such arrays, and the bytes that a checksum covers."""
    words, parts = _from_bytes(arrays["words"]), _from_bytes(arrays["counts"])
    losses = np.ascontiguousarray(arrays["losses"].T).view("<f2")[:, 0]
    kinds = tuple(str(name) for name in arrays["kinds"])
    if words.shape != ids.shape or parts.shape != (3, len(kinds), len(ids)):
        raise ResultsError(f"counts have shape {parts.shape} for {len(ids)} texts")
    right, extra, missed = parts
    counts = np.stack([right, right + extra, right + missed]).transpose(2, 1, 0)
    logs = -(losses.astype(np.float64) * words)
    averaged = int(arrays["averaged"])
    content = [repr((kinds, averaged)).encode(), losses.tobytes()]
    content += [values.astype("<i8").tobytes() for values in (words, parts)]
    found = TagCounts(
        ids,
        logs.astype(np.float32),
        words,
        np.ascontiguousarray(counts),
        kinds,
        averaged,
    )
    return found, b"".join(content)


def _by_byte(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8[bytes, …] of whole numbers, none negative, the lowest byte first."""
    size = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
    return np.stack([values >> 8 * place & 255 for place in range(size)]).astype(np.uint8)


def _from_bytes(stored: NDArray) -> NDArray[np.int64]:
    if stored.dtype != np.uint8:
        raise ResultsError(f"numbers are stored as {stored.dtype}; they must be bytes")
    places = 8 * np.arange(len(stored)).reshape(-1, *[1] * (stored.ndim - 1))
    found: NDArray[np.int64] = (stored.astype(np.int64) << places).sum(axis=0)
    return found
