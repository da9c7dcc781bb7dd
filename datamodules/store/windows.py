"""Random windows of texts, as a regulariser and to spare recurrent steps in training."""

from __future__ import annotations

import torch
from torch import Tensor


def random_windows(
    tokens: Tensor, lengths: Tensor, size: int, prefix: int = 0, suffix: int = 0
) -> tuple[Tensor, Tensor]:
    """Cuts each row to a stretch of its own words that begins anywhere.

    Johnson & Zhang 2016 ("Supervised and Semi-Supervised Text Categorization using LSTM for Region
    Embeddings") train on such segments: a text differs from epoch to epoch, and no row is long.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        size: longest stretch, special tokens counted.
        prefix: special tokens at the start of a row, which every stretch of it begins with.
        suffix: the same at its end.

    Returns:
        int64[B, min(T, size)] tokens and int64[B] lengths; rows no longer than `size` stay whole.
    """
    width = min(tokens.shape[1], size)
    kept = lengths.clamp(max=size)
    start = (torch.rand(len(lengths), device=lengths.device) * (lengths - kept + 1)).long()
    column = torch.arange(width, device=tokens.device)[None, :]
    ends = column >= (kept - suffix)[:, None]
    moved = torch.where(ends, (lengths - kept)[:, None], start[:, None])
    column = torch.where(column < prefix, column, column + moved)
    return tokens.gather(1, column.clamp(max=tokens.shape[1] - 1)), kept
