"""Masks of padding from the lengths of rows, and pooling that ignores padding."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Pooling = Literal["last", "mean", "max", "mean+max"]


def mask_of(lengths: Tensor, width: int) -> Tensor:
    """bool[B, T] mask, true where a row has a token.

    Args:
        lengths: int64[B].
        width: T.
    """
    return torch.arange(width, device=lengths.device)[None, :] < lengths[:, None]


def zero_padding(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, T, D] states with zero vectors past each row's length."""
    # Not a product with the mask: padding may hold infinities and NaN.
    return torch.where(mask_of(lengths, states.shape[1])[:, :, None], states, 0.0)


def masked_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, H] mean over the tokens of each row, from [B, T, H]."""
    return zero_padding(states, lengths).sum(dim=1) / lengths[:, None].to(states.dtype)


def masked_max(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, H] maximum over the tokens of each row, from [B, T, H]."""
    largest: Tensor = _Max.apply(states, lengths)
    return largest


def last_state(states: Tensor, lengths: Tensor) -> Tensor:
    """[B, H] state at the last token of each row, from [B, T, H]."""
    rows = torch.arange(lengths.shape[0], device=lengths.device)
    return states[rows, lengths - 1]


def pool(states: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """[B, H] pooled states of [B, T, H]; [B, 2H] for `mean+max`."""
    if pooling == "last":
        return last_state(states, lengths)
    if pooling == "mean":
        return masked_mean(states, lengths)
    if pooling == "max":
        return masked_max(states, lengths)
    return torch.cat(_MeanMax.apply(states, lengths), dim=1)


class _Max(torch.autograd.Function):
    """`masked_max`, whose gradient autograd would pass through the mask in two more passes."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, lengths: Tensor) -> Tensor:
        mask = mask_of(lengths, states.shape[1])[:, :, None]
        largest, places = states.masked_fill(~mask, float("-inf")).max(dim=1)
        ctx.save_for_backward(places)
        ctx.layout = torch.empty_like(states, device="meta")
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        whole = torch.zeros_like(ctx.layout, device=gradient.device)
        return whole.scatter_(1, places[:, None], gradient[:, None]), None


class _MeanMax(torch.autograd.Function):
    """`masked_mean` and `masked_max`, in half as many passes over [B, T, H] as autograd makes."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = mask_of(lengths, states.shape[1])[:, :, None]
        own = torch.where(mask, states, 0.0)
        mean = own.sum(dim=1) / lengths[:, None].to(states.dtype)
        largest, places = own.masked_fill_(~mask, float("-inf")).max(dim=1)
        ctx.save_for_backward(mask, lengths, places)
        # The gradient has the layout of the states: that of recurrent layers is [T, B, H].
        ctx.layout = torch.empty_like(states, device="meta")
        return mean, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_max: Tensor) -> tuple[Tensor, None]:
        mask, lengths, places = ctx.saved_tensors
        # Autocast on a GPU adds up states of half precision in fp32.
        shares = (of_mean / lengths[:, None].to(of_mean.dtype))[:, None].to(ctx.layout.dtype)
        gradient = torch.empty_like(ctx.layout, device=shares.device)
        torch.where(mask, shares, shares.new_zeros(()), out=gradient)
        return gradient.scatter_add_(1, places[:, None], of_max[:, None]), None


def pooled_size(hidden_size: int, pooling: Pooling) -> int:
    """Width of the states that `pool` returns."""
    return hidden_size * (2 if pooling == "mean+max" else 1)
