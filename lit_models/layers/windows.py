"""Long rows as overlapping windows, each with the special tokens of its row."""

from __future__ import annotations

import torch
from torch import Tensor


def split_rows(
    tokens: Tensor, lengths: Tensor, size: int, prefix: int, suffix: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Split every row into the smallest number of windows that cover it.

    Windows of a row have equal lengths and are evenly spaced from its start to its end; a row no
    longer than `size` is one window. After Pappagari et al. 2019, "Hierarchical Transformers for
    Long Document Classification".

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        size: length of a window, special tokens included.
        prefix: number of special tokens at the start of a row; each window begins with them.
        suffix: number of special tokens at the end of a row; each window ends with them.

    Returns:
        int64[W, min(T, size)] tokens, int64[W] lengths, int64[W] row of each window.
    """
    specials = prefix + suffix
    sizes = lengths.clamp(max=size)
    surplus = lengths - sizes  # start of the last window
    counts = -(-surplus // (size - specials)) + 1
    row = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), counts)
    number = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    start = surplus[row] * number // (counts[row] - 1).clamp(min=1)
    column = torch.arange(min(tokens.shape[1], size), device=tokens.device)[None, :]
    in_suffix = column >= (sizes - suffix)[row, None]
    offset = torch.where(in_suffix, surplus[row, None], start[:, None])
    column = torch.where(column < prefix, column, column + offset)
    return tokens[row].gather(1, column.clamp(max=tokens.shape[1] - 1)), sizes[row], row


def mean_by_row(values: Tensor, row: Tensor, rows: int) -> Tensor:
    """[B, C] means over the windows of each row, from [W, C]."""
    sums = values.new_zeros(rows, values.shape[1]).index_add(0, row, values)
    counts = torch.bincount(row, minlength=rows).to(values.dtype)
    return sums / counts[:, None]
