"""Random windows of texts: a regulariser that also saves recurrent steps in training."""

from __future__ import annotations

import torch
from torch import Tensor


def random_windows(
    tokens: Tensor, lengths: Tensor, size: int, prefix: int = 0, suffix: int = 0
) -> tuple[Tensor, Tensor]:
    """Truncates each row to a window of its words that starts at a random position.

    Johnson & Zhang 2016 ("Supervised and Semi-Supervised Text Categorization using LSTM for Region
    Embeddings") train on such segments: a text differs from epoch to epoch, and no row is long.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        size: longest window, special tokens included.
        prefix: number of special tokens at the start of a row; every window of it has them.
        suffix: the same at its end.

    Returns:
        int64[B, min(T, size)] tokens and int64[B] lengths; rows no longer than `size` stay whole.
    """
    width = min(tokens.shape[1], size)
    window_lengths = lengths.clamp(max=size)
    skipped = lengths - window_lengths
    start = (torch.rand(len(lengths), device=lengths.device) * (skipped + 1)).long()
    columns = torch.arange(width, device=tokens.device)[None, :]
    is_suffix = columns >= (window_lengths - suffix)[:, None]  # [B, width]
    shift = torch.where(is_suffix, skipped[:, None], start[:, None])
    columns = torch.where(columns < prefix, columns, columns + shift)
    return tokens.gather(1, columns.clamp(max=tokens.shape[1] - 1)), window_lengths
