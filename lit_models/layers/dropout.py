"""Dropout of whole dimensions of a text."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TextDropout(nn.Dropout):
    """Leaves whole dimensions of a text out, at all its positions (Gal & Ghahramani 2016).

    One random number for each text and dimension: one for each value is slow on a CPU.
    """

    def forward(self, states: Tensor) -> Tensor:
        """[B, T, D] from [B, T, D]."""
        if not (self.training and self.p):
            return states
        rows, _, width = states.shape
        return states * F.dropout(states.new_ones(rows, 1, width), self.p)
