"""Where the sentences of a batch of texts begin and end, from the tokens that end one."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.layers.masking import mask_of


class Sentences(NamedTuple):
    """The S sentences of B texts, in order.

    Attributes:
        starts: int64[S], places of the first words in the flattened tokens [B · T].
        lengths: int64[S], each at least 1.
        counts: int64[B], sentences of each text, at least 1.
        number: int64[B, T], which of its text's sentences a word belongs to; -1 on padding.
    """

    starts: Tensor
    lengths: Tensor
    counts: Tensor
    number: Tensor


def split(tokens: Tensor, lengths: Tensor, ends: Tensor, longest: int) -> Sentences:
    """Cuts texts after each token that ends a sentence, or each run of them, as in "?!" or "...".

    What follows the last such token is a sentence too, and so are such tokens at the very start.
    A longer sentence is cut every `longest` words.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        ends: bool[V], true where a token ends a sentence.
        longest: most words in a sentence.
    """
    width = tokens.shape[1]
    own = mask_of(lengths, width)  # [B, T]
    end = ends[tokens]
    first = F.pad(end[:, :-1], (1, 0)) & ~end  # the word after an end
    column = torch.arange(width, device=tokens.device)
    began = torch.where(first, column, 0).cummax(dim=1).values
    first = ((column - began) % longest == 0) & own
    starts = first.flatten().nonzero().squeeze(1)  # [S]
    row = starts // width
    following = F.pad(starts[1:], (0, 1), value=tokens.numel())
    own_lengths = torch.minimum(following, row * width + lengths[row]) - starts
    number = (first.cumsum(dim=1) - 1).masked_fill(~own, -1)
    return Sentences(starts, own_lengths, first.sum(dim=1), number)
