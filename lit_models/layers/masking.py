"""What is padding, from lengths alone, and pooling that padding never touches."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Pooling = Literal["last", "mean", "max", "mean+max"]


def mask_of(lengths: Tensor, width: int) -> Tensor:
    """bool[B, T], true where a row has a token.

    Args:
        lengths: int64[B].
        width: T.
    """
    return torch.arange(width, device=lengths.device)[None, :] < lengths[:, None]


def zero_padding(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, T, D] with zero vectors past each row's length, whatever stood there."""
    # `where`, not a product: a padded position may hold anything, infinities too.
    return torch.where(mask_of(lengths, states.shape[1])[:, :, None], states, 0.0)


def masked_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, H] mean over each row's own tokens, from [B, T, H]."""
    return zero_padding(states, lengths).sum(dim=1) / lengths[:, None].to(states.dtype)


def masked_max(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, H] maximum over each row's own tokens, from [B, T, H]."""
    mask = mask_of(lengths, states.shape[1])
    # Not `amax`, whose gradient looks for equals in all of [B, T, H].
    return states.masked_fill(~mask[:, :, None], float("-inf")).max(dim=1).values


def last_state(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, H] state at each row's last token, from [B, T, H]."""
    rows = torch.arange(len(lengths), device=lengths.device)
    return states[rows, lengths - 1]


def pool(states: Tensor, lengths: Tensor, how: Pooling) -> Tensor:
    """[B, H] summary of [B, T, H]; [B, 2H] for `mean+max`."""
    if how == "last":
        return last_state(states, lengths)
    if how == "mean":
        return masked_mean(states, lengths)
    if how == "max":
        return masked_max(states, lengths)
    return torch.cat([masked_mean(states, lengths), masked_max(states, lengths)], dim=1)


def pooled_size(hidden_size: int, how: Pooling) -> int:
    """Width of what `pool` returns."""
    return hidden_size * (2 if how == "mean+max" else 1)
