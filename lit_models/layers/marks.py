"""Marks: weights that an architecture gives to runs of tokens, for display."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Marks(NamedTuple):
    """Weighted runs of the tokens of one text.

    Attributes:
        starts: int64[N] first token of each run.
        stops: int64[N] the token after its last.
        weights: float[N].
    """

    starts: Tensor
    stops: Tensor
    weights: Tensor

    @classmethod
    def of_tokens(cls, weights: Tensor) -> Marks:
        """A weight for each token, float[T]."""
        starts = torch.arange(len(weights), device=weights.device)
        return cls(starts, starts + 1, weights)
