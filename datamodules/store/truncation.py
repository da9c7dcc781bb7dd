"""Truncation and vocabulary cap of token rows."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.tokenizers import Tokenizer

Truncation = Literal["head", "tail", "head+tail"]
"""Part of a long row that remains: its start, its end, or some of both."""

# head+tail keeps 1/4 from the start and 3/4 from the end, as Sun et al. 2019 do: 128 + 382 of 512,
# [CLS] and [SEP] beside them.
_HEAD_SHARE = 4
_BLOCK = 4096  # rows truncated at once


def check_truncation(truncation: str) -> None:
    """Refuses a name that is none of `Truncation`.

    Raises:
        DataError: it is none.
    """
    if truncation not in get_args(Truncation):
        raise DataError(f"data.truncation is {truncation!r}; choose one of {get_args(Truncation)}")


class TokenTruncation(NamedTuple):
    """Vocabulary cap and truncation of a row.

    Attributes:
        vocab_size: token ids at or above it become `unk_id`; None: no cap.
        max_length: longest row in tokens; None: no limit.
        truncation: part of a longer row that remains.
        pad_id: fills the end of shorter rows.
        unk_id: replaces capped words.
        prefix: number of special tokens at the start of each row, such as `[CLS]`, that every
            truncation keeps.
        suffix: the same at its end, such as `[SEP]`.
    """

    vocab_size: int | None
    max_length: int | None
    truncation: Truncation
    pad_id: int
    unk_id: int
    prefix: int = 0
    suffix: int = 0

    @classmethod
    def for_tokenizer(
        cls,
        tokenizer: Tokenizer,
        vocab_size: int | None,
        max_length: int | None,
        truncation: Truncation,
    ) -> TokenTruncation:
        """Truncation of the rows of a fitted tokenizer.

        Raises:
            DataError: `max_length` leaves no room beside the special tokens.
        """
        specials = tokenizer.prefix + tokenizer.suffix
        if max_length is not None and max_length <= specials:
            raise DataError(
                f"data.max_length is {max_length}, and each row has {specials} special tokens; it "
                f"must be at least {specials + 1}"
            )
        return cls(
            vocab_size=vocab_size,
            max_length=max_length,
            truncation=truncation,
            pad_id=tokenizer.pad_id,
            unk_id=tokenizer.unk_id,
            prefix=tokenizer.prefix,
            suffix=tokenizer.suffix,
        )

    def lengths(self, full_lengths: np.ndarray) -> np.ndarray:
        """Lengths after truncation, int64[N]."""
        if self.max_length is None:
            return full_lengths
        return np.minimum(full_lengths, self.max_length)

    def rows(self, tokens: Ragged, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Truncated, capped and padded rows.

        Args:
            tokens: all rows of a split.
            rows: int64[B], numbers of the rows to take.

        Returns:
            int64[B, T] token ids and int64[B] lengths.
        """
        starts = tokens.offsets[rows]
        full_lengths = tokens.offsets[rows + 1] - starts
        lengths = self.lengths(full_lengths)
        columns = np.arange(lengths.max())[None, :]  # [1, T]
        is_token = columns < lengths[:, None]  # [B, T]
        skipped = (full_lengths - lengths)[:, None]
        positions = np.where(columns < self._head(lengths)[:, None], columns, columns + skipped)
        matrix = tokens.values[np.where(is_token, starts[:, None] + positions, 0)].astype(np.int64)
        if self.vocab_size is not None:
            matrix[matrix >= self.vocab_size] = self.unk_id
        matrix[~is_token] = self.pad_id
        return matrix, lengths

    def ragged(self, tokens: Ragged, rows: np.ndarray) -> Ragged:
        """The same rows without padding."""
        if self.max_length is None and np.array_equal(rows, np.arange(len(tokens))):
            # Nothing to select: saves the index of every token, many times the tokens' memory.
            return Ragged(self._capped(np.array(tokens.values)), tokens.offsets)
        lengths = self.lengths(tokens.offsets[rows + 1] - tokens.offsets[rows])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        values = np.empty(offsets[-1], dtype=np.int32)
        for start in range(0, len(rows), _BLOCK):  # the index of a token takes tenfold its memory
            some = rows[start : start + _BLOCK]
            values[offsets[start] : offsets[start + len(some)]] = self._values(tokens, some)
        return Ragged(values, offsets)

    def _values(self, tokens: Ragged, rows: np.ndarray) -> np.ndarray:
        """int32 tokens of some rows, one row after the other."""
        starts = tokens.offsets[rows]
        full_lengths = tokens.offsets[rows + 1] - starts
        lengths = self.lengths(full_lengths)
        row = np.repeat(np.arange(len(rows)), lengths)  # of each remaining token
        columns = np.arange(len(row)) - (np.cumsum(lengths) - lengths)[row]
        skipped = (full_lengths - lengths)[row]
        positions = np.where(columns < self._head(lengths)[row], columns, columns + skipped)
        return self._capped(tokens.values[starts[row] + positions])

    def _capped(self, values: np.ndarray) -> np.ndarray:
        """int32 token ids, those above the cap replaced."""
        if self.vocab_size is not None:
            values = np.where(values >= self.vocab_size, self.unk_id, values)
        return values.astype(np.int32, copy=False)

    def _head(self, lengths: np.ndarray) -> np.ndarray:
        """Number of tokens taken from the start of each row; the others come from its end."""
        if self.truncation == "head":
            return lengths - self.suffix
        if self.truncation == "tail":
            return np.full_like(lengths, self.prefix)
        return np.minimum(self.prefix + lengths // _HEAD_SHARE, lengths - self.suffix)
