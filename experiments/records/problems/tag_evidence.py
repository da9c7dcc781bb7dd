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

    Right tags, those that are wrong, and those missed are three small numbers, kind by kind, the
    shortest text first: texts of equal length have similar counts, which compresses better. So do
    the high bytes of all numbers apart from the low ones. The loss is that of a word, with 6
    significant bits.
    """
    order = np.argsort(rows.words, kind="stable")
    right, tagged, there = rows.counts[order].transpose(2, 1, 0)  # each [C, N]
    losses = -rows.log_probabilities.astype(np.float64) / rows.words
    return {
        "kinds": np.array(rows.kinds),
        "averaged": np.array(rows.averaged),
        "words": _by_byte(rows.words),
        "counts": _by_byte(np.stack([right, tagged - right, there - right])),
        "losses": _by_byte(_rounded(losses[order]).view(np.uint16).astype(np.int64)),
    }


def tag_counts(arrays: Mapping[str, NDArray], ids: NDArray[np.int64]) -> tuple[TagCounts, bytes]:
    """Counts of such arrays, and the bytes that a checksum covers."""
    words, parts, bits = (_from_bytes(arrays[name]) for name in ("words", "counts", "losses"))
    kinds = tuple(str(name) for name in arrays["kinds"])
    shapes = words.shape, bits.shape, parts.shape
    if shapes != (ids.shape, ids.shape, (3, len(kinds), len(ids))) or bits.max(initial=0) >> 16:
        raise ResultsError(f"words, losses and counts have shapes {shapes} for {len(ids)} texts")
    place = np.argsort(np.argsort(words, kind="stable"), kind="stable")
    right, extra, missed = parts[:, :, place]
    counts = np.stack([right, right + extra, right + missed]).transpose(2, 1, 0)
    losses = bits.astype(np.uint16).view(np.float16)[place]
    logs = -(losses.astype(np.float64) * words)
    averaged = int(arrays["averaged"])
    content = [repr((kinds, averaged)).encode()]
    content += [values.astype("<i8").tobytes() for values in (words, parts, bits)]
    found = TagCounts(
        ids,
        logs.astype(np.float32),
        words,
        np.ascontiguousarray(counts),
        kinds,
        averaged,
    )
    return found, b"".join(content)


def as_kept(
    log_probabilities: NDArray[np.floating], words: NDArray[np.int64]
) -> NDArray[np.float32]:
    """float32[N] ln p of the tags of texts as evidence keeps them, so that all figures agree.

    Args:
        log_probabilities: float[N].
        words: int64[N], numbers of words.
    """
    losses = _rounded(-log_probabilities.astype(np.float64) / words)
    return (-(losses.astype(np.float64) * words)).astype(np.float32)


def _rounded(losses: NDArray[np.float64]) -> NDArray[np.float16]:
    """float16, none negative, of which the last five bits of the significand are 0."""
    bits = np.abs(np.clip(losses, 0, _LARGEST)).astype(np.float16).view(np.uint16)  # of -0, too
    rounded = np.minimum(bits.astype(np.int64) + 16, 0x7BFF) >> 5 << 5
    return rounded.astype(np.uint16).view(np.float16)


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
