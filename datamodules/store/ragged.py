"""Rows of unequal length in one array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Ragged(NamedTuple):
    """Rows of unequal length in one array: row i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: int32[sum of lengths].
        offsets: int64[N + 1].
    """

    values: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Row lengths, int64[N]."""
        return np.diff(self.offsets)

    def __len__(self) -> int:  # rows, not the two fields
        return len(self.offsets) - 1


def concat_ragged(first: Ragged, second: Ragged) -> Ragged:
    """Rows of `first`, followed by those of `second`."""
    return Ragged(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
    )


def drop_token(tokens: Ragged, token: int) -> Ragged:
    """The same rows without one token; rows may become empty."""
    is_other = tokens.values != token
    offsets = np.concatenate([[0], np.cumsum(is_other)])
    return Ragged(tokens.values[is_other], offsets[tokens.offsets])


def rows_of(tokens: Ragged, rows: np.ndarray) -> Ragged:
    """Rows of the given numbers, int64[M], in their order."""
    lengths = tokens.lengths[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    skipped = np.repeat(tokens.offsets[rows] - offsets[:-1], lengths)
    return Ragged(tokens.values[np.arange(offsets[-1]) + skipped], offsets)
