"""Truncation and vocabulary cap of token rows."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from datamodules.store.ragged import Ragged

Truncation = Literal["head", "tail", "head+tail"]

# head+tail keeps 1/4 from the start and 3/4 from the end, as Sun et al. 2019 do: 128 + 382 of 512,
# [CLS] and [SEP] beside them.
_HEAD_SHARE = 4


class TokenTruncation(NamedTuple):
    """What of a row a model sees: the cap on words and on length.

    Attributes:
        vocab_size: token numbers at or above it become `unk_id`; None keeps all.
        max_length: longest row in tokens; None keeps all.
        truncation: which end of a longer row stays.
        pad_id: fills the end of shorter rows.
        unk_id: stands for capped words.
        prefix: tokens at the start of each row that every truncation keeps, such as `[CLS]`.
        suffix: the same at its end, such as `[SEP]`.
    """

    vocab_size: int | None
    max_length: int | None
    truncation: Truncation
    pad_id: int
    unk_id: int
    prefix: int = 0
    suffix: int = 0

    def lengths(self, full: np.ndarray) -> np.ndarray:
        """int64[N] lengths after truncation, from the full ones."""
        return full if self.max_length is None else np.minimum(full, self.max_length)

    def positions(self, full: np.ndarray) -> np.ndarray:
        """int64[B, T] columns of the full rows that a batch shows; beyond a row's end: garbage.

        Args:
            full: int64[B], full lengths of the rows.
        """
        kept = self.lengths(full)
        columns = np.arange(kept.max())[None, :]
        dropped = (full - kept)[:, None]
        return np.where(columns < self._head(kept)[:, None], columns, columns + dropped)

    def _head(self, kept: np.ndarray) -> np.ndarray:
        """How many of a row's kept tokens are its first ones; the rest are its last."""
        if self.truncation == "head":
            return kept - self.suffix
        if self.truncation == "tail":
            return np.full_like(kept, self.prefix)
        return np.minimum(self.prefix + kept // _HEAD_SHARE, kept - self.suffix)

    def rows(self, tokens: Ragged, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The padded, capped int64[B, T] matrix of some rows and their lengths int64[B]."""
        starts = tokens.offsets[rows]
        full = tokens.offsets[rows + 1] - starts
        kept = self.lengths(full)
        within = np.arange(kept.max())[None, :] < kept[:, None]
        index = np.where(within, starts[:, None] + self.positions(full), 0)
        matrix = tokens.values[index].astype(np.int64)
        if self.vocab_size is not None:
            matrix[matrix >= self.vocab_size] = self.unk_id
        matrix[~within] = self.pad_id
        return matrix, kept

    def ragged(self, tokens: Ragged, rows: np.ndarray) -> Ragged:
        """The same rows, truncated and capped, still ragged."""
        starts = tokens.offsets[rows]
        full = tokens.offsets[rows + 1] - starts
        kept = self.lengths(full)
        offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        row_of = np.repeat(np.arange(len(rows)), kept)
        column = np.arange(offsets[-1]) - offsets[row_of]
        dropped = (full - kept)[row_of]
        column = np.where(column < self._head(kept)[row_of], column, column + dropped)
        values = tokens.values[starts[row_of] + column]
        if self.vocab_size is not None:
            values = np.where(values >= self.vocab_size, self.unk_id, values)
        return Ragged(values.astype(np.int32, copy=False), offsets)
