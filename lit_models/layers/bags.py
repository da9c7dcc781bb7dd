"""Bags: the items of each row with their counts, as flat arrays for an `EmbeddingBag`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import ngram_keys
from lit_models.layers.masking import mask_of

_LAST = torch.iinfo(torch.int64).max
_ROWS_AT_ONCE = 256


class Items(NamedTuple):
    """Items of all rows in one array.

    Attributes:
        values: int64[N] items.
        rows: int64[N] row of each item, ascending; a row may have none.
        counts: int64[N] count of each item in its row.
    """

    values: Tensor
    rows: Tensor
    counts: Tensor

    def starts(self, rows: int) -> Tensor:
        """int64[B] start of each of B rows: the `offsets` of an `EmbeddingBag`."""
        return torch.searchsorted(self.rows, torch.arange(rows, device=self.rows.device))

    def where(self, mask: Tensor) -> Items:
        """Items at which bool[N] `mask` is true."""
        index = mask.nonzero().squeeze(1)
        return Items(*(field.index_select(0, index) for field in self))

    def dropped(self, probability: float) -> Items:
        """Items without those that are randomly dropped."""
        return self.where(torch.rand(self.values.shape, device=self.values.device) >= probability)


def occurrences(values: Tensor, mask: Tensor) -> Items:
    """Every occurrence as an item of its own, in the order of the text.

    Args:
        values: int64[B, W].
        mask: bool[B, W], false at padding.
    """
    rows, columns = mask.nonzero(as_tuple=True)
    return Items(values[rows, columns], rows, torch.ones_like(rows))


def distinct(values: Tensor, mask: Tensor) -> Items:
    """Each item of a row once, ascending, with its count.

    Args:
        values: int64[B, W], all below the largest int64.
        mask: bool[B, W], false at padding.
    """
    # Sorting brings equal items together, and padding to the end.
    ordered = _sorted(torch.where(mask, values, _LAST))
    first = F.pad(ordered[:, 1:] != ordered[:, :-1], (1, 0), value=True) & (ordered != _LAST)
    rows, columns = first.nonzero(as_tuple=True)  # [N]
    # An item ends where the next one of its row begins, or where the row ends.
    following = F.pad(columns[1:], (0, 1))
    ends = mask.sum(dim=1).index_select(0, rows)
    ends = torch.where(following > columns, following, ends)
    index = rows * values.shape[1] + columns
    return Items(ordered.flatten().index_select(0, index), rows, ends - columns)


def _sorted(values: Tensor) -> Tensor:
    """Rows of int64[B, W], each in ascending order."""
    if values.device.type == "cpu":
        # torch.sort also returns indices, and takes ten times as long as np.sort.
        return torch.from_numpy(np.sort(values.numpy(), axis=1))
    return values.sort(dim=1).values


def padded_chunks(tokens: Ragged) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """All rows, some at a time: their numbers int64[B], int64[B, T] tokens, int64[B] lengths."""
    order = np.argsort(tokens.lengths, kind="stable")  # little padding in a chunk
    for start in range(0, len(order), _ROWS_AT_ONCE):
        chunk = order[start : start + _ROWS_AT_ONCE]
        lengths = tokens.lengths[chunk]
        index = tokens.offsets[chunk][:, None] + np.arange(lengths.max())[None, :]
        padded = tokens.values[index.clip(max=len(tokens.values) - 1)].astype(np.int64)
        yield chunk, torch.from_numpy(padded), torch.from_numpy(lengths)


def last_tokens(tokens: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """int64[B, `count`] last tokens of each row, and their number int64[B]; the rest is padding.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        count: number of tokens; shorter rows are whole.
    """
    columns = torch.arange(min(count, tokens.shape[1]), device=tokens.device)
    positions = (lengths - count).clamp(min=0)[:, None] + columns
    return tokens.gather(1, positions.clamp(max=tokens.shape[1] - 1)), lengths.clamp(max=count)


def row_ngrams(
    tokens: Tensor, lengths: Tensor, orders: int, base: int | Tensor, modulus: int | None = None
) -> list[tuple[Tensor, Tensor]]:
    """int64[B, T - n + 1] keys of n-grams and their bool masks, for each order n = 1 … `orders`.

    The mask is false for n-grams that extend past the end of their row.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        orders: length of the longest n-gram.
        base: see `ngram_keys`.
        modulus: see `ngram_keys`.
    """
    keys = ngram_keys(tokens, orders, base, modulus)
    return [(key, mask_of(lengths - order, key.shape[1])) for order, key in enumerate(keys)]
