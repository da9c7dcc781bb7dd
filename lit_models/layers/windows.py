"""Long rows as overlapping windows, each with the row's own special tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def split_rows(
    tokens: Tensor, lengths: Tensor, size: int, prefix: int, suffix: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Cuts every row into as few windows as cover it.

    Windows of a row have one length and lie evenly spread, the first at its start, the last at its
    end; a row no longer than `size` is one window. Pappagari et al. 2019, "Hierarchical
    Transformers for Long Document Classification", cut texts so.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        size: longest window, special tokens counted.
        prefix: special tokens at the start of a row, which begin each of its windows.
        suffix: the same at its end.

    Returns:
        int64[W, min(T, size)] tokens, int64[W] lengths, int64[W] the row of each window.
    """
    specials = prefix + suffix
    kept = lengths.clamp(max=size)
    surplus = lengths - kept  # how far the last window is moved
    counts = -(-surplus // (size - specials)) + 1
    row = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), counts)
    number = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    start = surplus[row] * number // (counts[row] - 1).clamp(min=1)
    column = torch.arange(min(tokens.shape[1], size), device=tokens.device)[None, :]
    ends = column >= (kept - suffix)[row, None]
    moved = torch.where(ends, surplus[row, None], start[:, None])
    column = torch.where(column < prefix, column, column + moved)
    return tokens[row].gather(1, column.clamp(max=tokens.shape[1] - 1)), kept[row], row


def mean_by_row(values: Tensor, row: Tensor, rows: int) -> Tensor:
    """[B, C] means of [W, C] over the windows of each row."""
    sums = values.new_zeros(rows, values.shape[1]).index_add(0, row, values)
    counts = torch.bincount(row, minlength=rows).to(values.dtype)
    return sums / counts[:, None]
