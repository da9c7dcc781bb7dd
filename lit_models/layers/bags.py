"""Bags: which items a row has and how often, as flat arrays that an EmbeddingBag takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.base.ngrams import ngram_keys
from lit_models.layers.masking import mask_of

_LAST = torch.iinfo(torch.int64).max


class Items(NamedTuple):
    """The items of all rows one after the other.

    Attributes:
        values: int64[N].
        rows: int64[N], ascending; a row may have none.
        counts: int64[N], how often the item stands in its row.
    """

    values: Tensor
    rows: Tensor
    counts: Tensor

    def starts(self, rows: int) -> Tensor:
        """int64[B], where each of B rows begins: the `offsets` of an EmbeddingBag."""
        return torch.searchsorted(self.rows, torch.arange(rows, device=self.rows.device))

    def where(self, kept: Tensor) -> Items:
        """The items for which bool[N] `kept` is true."""
        index = kept.nonzero().squeeze(1)
        return Items(*(field.index_select(0, index) for field in self))

    def dropped(self, share: float) -> Items:
        """A random share of the items left out."""
        return self.where(torch.rand(self.values.shape, device=self.values.device) >= share)


def occurrences(values: Tensor, kept: Tensor) -> Items:
    """Every occurrence by itself, in the order of the text.

    Args:
        values: int64[B, W].
        kept: bool[B, W]; the rest is padding.
    """
    rows, columns = kept.nonzero(as_tuple=True)
    return Items(values[rows, columns], rows, torch.ones_like(rows))


def distinct(values: Tensor, kept: Tensor) -> Items:
    """Each item of a row once, ascending, with its count.

    Args:
        values: int64[B, W], all below the greatest int64.
        kept: bool[B, W]; the rest is padding.
    """
    # Sorted, an item that stands twice is its own neighbour; padding moves to the end.
    ordered = _sorted(torch.where(kept, values, _LAST))
    first = F.pad(ordered[:, 1:] != ordered[:, :-1], (1, 0), value=True) & (ordered != _LAST)
    rows, columns = first.nonzero(as_tuple=True)  # [N]
    # The next item begins where this one ends, or the row has no other.
    following = F.pad(columns[1:], (0, 1))
    ends = kept.sum(dim=1).index_select(0, rows)
    ends = torch.where(following > columns, following, ends)
    at = rows * values.shape[1] + columns
    return Items(ordered.flatten().index_select(0, at), rows, ends - columns)


def _sorted(values: Tensor) -> Tensor:
    """Each row of int64[B, W] in ascending order."""
    if values.device.type == "cpu":
        # Torch sorts numbers and places together, ten times as slowly as NumPy sorts numbers.
        return torch.from_numpy(np.sort(values.numpy(), axis=1))
    return values.sort(dim=1).values


def row_ngrams(
    tokens: Tensor, lengths: Tensor, orders: int, base: int | Tensor, modulus: int | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Keys int64[B, T - n + 1] of the n-grams of orders n = 1 … `orders`, each with its mask.

    An n-gram that would reach past its row's end is masked.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        orders: longest n-gram.
        base: see `ngram_keys`.
        modulus: see `ngram_keys`.
    """
    keys = ngram_keys(tokens, orders, base, modulus)
    return [(key, mask_of(lengths - order, key.shape[1])) for order, key in enumerate(keys)]
