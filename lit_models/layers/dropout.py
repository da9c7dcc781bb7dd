"""Dropout of whole dimensions of a text, and of whole words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import mask_of


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


def leave_words_out(
    tokens: Tensor, lengths: Tensor, vocab_size: int, share: float
) -> tuple[Tensor, Tensor]:
    """Texts as if a random share of the vocabulary did not exist; the rest closes up.

    For networks in which a word whose vector is zero is still a word: a layer norm would blow up
    what little stands there, attention would gather in it, and no such place exists in prediction.
    A text that would lose all its words keeps them.

    Args:
        tokens: int64[B, T], all below `vocab_size`.
        lengths: int64[B].
        vocab_size: V.
        share: how much of the vocabulary is left out, in all texts alike.

    Returns:
        Tokens int64[B, T'] with T' ≤ T, and lengths int64[B].
    """
    words = mask_of(lengths, tokens.shape[1])
    kept = (torch.rand(vocab_size, device=tokens.device) >= share)[tokens] & words
    kept = torch.where(kept.any(dim=1, keepdim=True), kept, words)
    order = (~kept).byte().argsort(dim=1, stable=True)
    tokens, lengths = tokens.gather(1, order), kept.sum(dim=1)
    if tokens.device.type == "cpu":  # elsewhere the maximum would make the device wait
        tokens = tokens[:, : int(lengths.max())]
    return tokens, lengths
