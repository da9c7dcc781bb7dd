"""Pairs of sequences: a text's symbols, and the symbols to write for it."""

from __future__ import annotations

from typing import NamedTuple

import torch


class PairBatch(NamedTuple):
    """Texts with what is to be written for them.

    Attributes:
        tokens: int64[B, S], token ids.
        lengths: int64[B], each at least 1.
        targets: int64[B, T], symbols 1 … P, then the end, 0, then 0 as padding.
        target_lengths: int64[B], number of symbols before the end, each at least 1.
        ids: int64[B], row numbers in the split's fixed order.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor
    target_lengths: torch.Tensor
    ids: torch.Tensor
