"""Batches of texts whose words have tags, whole or in pieces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

from datamodules.store.mixed import Pair
from datamodules.store.ragged import Ragged
from datamodules.store.truncation import TokenTruncation

NO_TAG = -1
"""Tag of padding."""
_WIDTH_STEP = 8  # as in `store.batching`


class TagBatch(NamedTuple):
    """Texts, or pieces of texts, with the tags of their words.

    Attributes:
        tokens: int64[B, T], token ids.
        lengths: int64[B], each at least 1.
        tags: int64[B, T], tags of the words, and then `NO_TAG`. Words are tokens, unless the
            tokens are pieces of words.
        ids: int64[B], row numbers in the split's fixed order.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    tags: torch.Tensor
    ids: torch.Tensor


class TagDataset(Dataset[TagBatch]):
    """Tagged rows of a split. Indexing with an array of positions returns a whole batch.

    Args:
        tokens: all rows of the split.
        tags: tags of the words of all rows of the split.
        rows: int64[N], the rows that belong to this dataset; they become the batches' `ids`.
        token_truncation: vocabulary cap; special tokens at the ends of a row.
        continued: ids from here on are those of pieces that continue a word; None: every token is
            a word.
        longest: rows are divided into consecutive pieces of at most this many tokens, special ones
            not counted, between two words; None: they are whole.

    Attributes:
        lengths: int64, number of tokens of each piece.
    """

    def __init__(
        self,
        tokens: Ragged,
        tags: Ragged,
        rows: np.ndarray,
        token_truncation: TokenTruncation,
        continued: int | None = None,
        longest: int | None = None,
    ) -> None:
        self.tokens, self.tags, self.rows = tokens, tags, rows
        self.token_truncation = token_truncation
        prefix, suffix = token_truncation.prefix, token_truncation.suffix
        starts, ends = tokens.offsets[rows] + prefix, tokens.offsets[rows + 1] - suffix
        first, last = tags.offsets[rows], tags.offsets[rows + 1]
        numbers = np.arange(len(rows))
        if longest is not None:
            pieces = [
                _cut(tokens.values, *row, continued, longest)
                for row in zip(starts, ends, first, last, strict=True)
            ]
            numbers = np.repeat(numbers, [len(piece) for piece in pieces])
            starts, ends, first, last = np.concatenate(pieces).T
        self.numbers, self.starts, self.first = numbers, starts, first
        self._sizes, self._words = ends - starts, last - first
        self.lengths = self._sizes + prefix + suffix

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, positions: np.ndarray) -> TagBatch:
        cap = self.token_truncation
        rows, lengths = self.rows[self.numbers[positions]], self.lengths[positions]
        width = int(lengths.max())
        columns = np.arange(width + -width % _WIDTH_STEP)
        # Within a row of the split: its special tokens, and the piece between them.
        places = self.starts[positions, None] + columns - cap.prefix
        before = self.tokens.offsets[rows, None] + columns
        behind = self.tokens.offsets[rows + 1, None] + columns - lengths[:, None]
        places = np.where(columns < cap.prefix, before, places)
        places = np.where(columns >= (lengths - cap.suffix)[:, None], behind, places)
        inside = columns < lengths[:, None]
        tokens = self.tokens.values[np.where(inside, places, 0)].astype(np.int64)
        if cap.vocab_size is not None:
            tokens[tokens >= cap.vocab_size] = cap.unk_id
        tokens[~inside] = cap.pad_id
        tagged = columns < self._words[positions, None]
        places = np.where(tagged, self.first[positions, None] + columns, 0)
        tags = self.tags.values[places].astype(np.int64)
        return TagBatch(
            torch.from_numpy(tokens),
            torch.from_numpy(lengths.astype(np.int64)),
            torch.from_numpy(np.where(tagged, tags, NO_TAG)),
            torch.from_numpy(rows.astype(np.int64)),
        )


class BesideTagDataset(Dataset[TagBatch]):
    """Batches of pieces of two splits, in the order of `store.mixed.BesideSampler`.

    Args:
        rows: pieces of the training texts.
        others: pieces of texts without labels; tags they have, too.
    """

    def __init__(self, rows: TagDataset, others: TagDataset) -> None:
        self.rows, self.others = rows, others
        self.lengths, self.token_truncation = rows.lengths, rows.token_truncation

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: Pair) -> TagBatch:
        batches = self.rows[positions[0]], self.others[positions[1]]
        width = max(batch.tokens.shape[1] for batch in batches)
        fills = self.token_truncation.pad_id, NO_TAG
        tokens, tags = (
            torch.cat([F.pad(m, (0, width - m.shape[1]), value=fill) for m in matrices])
            for matrices, fill in zip(
                ([b.tokens for b in batches], [b.tags for b in batches]), fills, strict=True
            )
        )
        lengths, ids = (
            torch.cat([getattr(b, name) for b in batches]) for name in ("lengths", "ids")
        )
        return TagBatch(tokens, lengths, tags, ids)


def count_words(tokens: Ragged, token_truncation: TokenTruncation, continued: int) -> np.ndarray:
    """int64[N] number of words of rows of pieces."""
    begins = np.concatenate([[0], np.cumsum(tokens.values < continued)])
    specials = token_truncation.prefix + token_truncation.suffix
    counts: np.ndarray = np.diff(begins[tokens.offsets]) - specials
    return counts


def _cut(
    values: np.ndarray,
    start: int,
    end: int,
    first: int,
    last: int,
    continued: int | None,
    longest: int,
) -> np.ndarray:
    """int64[P, 4] start and end of pieces among the tokens, first and last of their tags."""
    if continued is None:
        cuts = np.append(np.arange(start, end, longest), end)
        words = cuts - start + first
        return np.stack([cuts[:-1], cuts[1:], words[:-1], words[1:]], axis=1)
    begins = np.append(start + np.flatnonzero(values[start:end] < continued), end)
    pieces, word = [], 0
    while word < len(begins) - 1:
        following = int(np.searchsorted(begins, begins[word] + longest, side="right")) - 1
        following = max(following, word + 1)  # a word alone may be longer
        pieces.append((begins[word], begins[following], first + word, first + following))
        word = following
    return np.array(pieces, dtype=np.int64)
