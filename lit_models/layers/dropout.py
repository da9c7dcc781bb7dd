"""Dropout of whole dimensions of a text, and removal of random words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import mask_of


class TextDropout(nn.Dropout):
    """Dropout of whole dimensions, at all positions of a text (Gal & Ghahramani 2016).

    It draws one random number for each text and dimension; one for each value is slow on a CPU.
    """

    def forward(self, states: Tensor) -> Tensor:
        """[B, T, D] from [B, T, D]."""
        if not (self.training and self.p):
            return states
        rows, _, width = states.shape
        return states * F.dropout(states.new_ones(rows, 1, width), self.p)


def leave_words_out(
    tokens: Tensor, lengths: Tensor, vocab_size: int, probability: float
) -> tuple[Tensor, Tensor]:
    """Remove random words of the vocabulary from all texts and close the gaps.

    For networks in which a zero vector would still act as a word: a layer norm would scale it up,
    and attention would attend to it, though predictions have no such positions. A text that would
    lose all its words keeps them.

    Args:
        tokens: int64[B, T], all below `vocab_size`.
        lengths: int64[B].
        vocab_size: V.
        probability: probability of removing a word of the vocabulary.

    Returns:
        Tokens int64[B, T'] with T' ≤ T, and lengths int64[B].
    """
    words = mask_of(lengths, tokens.shape[1])
    mask = (torch.rand(vocab_size, device=tokens.device) >= probability)[tokens] & words
    mask = torch.where(mask.any(dim=1, keepdim=True), mask, words)
    order = (~mask).byte().argsort(dim=1, stable=True)
    tokens, lengths = tokens.gather(1, order), mask.sum(dim=1)
    if tokens.device.type == "cpu":  # on a GPU reading the maximum would cause a synchronisation
        tokens = tokens[:, : int(lengths.max())]
    return tokens, lengths
