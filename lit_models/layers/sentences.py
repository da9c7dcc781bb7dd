"""Sentence boundaries in a batch of texts, from the tokens that end a sentence."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.layers.masking import mask_of


class Sentences(NamedTuple):
    """S sentences of B texts, in order.

    Attributes:
        starts: int64[S] indices of first words in the flattened tokens [B · T].
        lengths: int64[S] numbers of words, at least 1.
        counts: int64[B] numbers of sentences of each text, at least 1.
        number: int64[B, T] number of each word's sentence in its text; -1 on padding.
    """

    starts: Tensor
    lengths: Tensor
    counts: Tensor
    number: Tensor


def split(tokens: Tensor, lengths: Tensor, ends: Tensor, longest: int) -> Sentences:
    """Split texts after each end token, or run of end tokens such as "?!" or "...".

    Words after the last end token are a sentence too, and so are end tokens at the very start.
    Longer sentences are split every `longest` words.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        ends: bool[V], true for end tokens.
        longest: largest number of words in a sentence.
    """
    width = tokens.shape[1]
    first, number = first_words(tokens, lengths, ends, longest)
    starts = first.flatten().nonzero().squeeze(1)  # [S]
    row = starts // width
    following = F.pad(starts[1:], (0, 1), value=tokens.numel())
    sizes = torch.minimum(following, row * width + lengths[row]) - starts
    return Sentences(starts, sizes, first.sum(dim=1), number)


def first_words(
    tokens: Tensor, lengths: Tensor, ends: Tensor, longest: int
) -> tuple[Tensor, Tensor]:
    """First words of the sentences of `split`, without tensors whose size depends on the tokens.

    Args: see `split`.

    Returns:
        bool[B, T], true at the first word of a sentence, and int64[B, T] number of each word's
        sentence in its text, -1 on padding.
    """
    width = tokens.shape[1]
    mask = mask_of(lengths, width)  # [B, T]
    end = ends[tokens]
    first = F.pad(end[:, :-1], (1, 0)) & ~end  # first word after an end token
    column = torch.arange(width, device=tokens.device)
    # ONNX has no running maximum, by which the start of each word's sentence would be found, too.
    part = first.cumsum(dim=1)  # int64[B, T]
    starts = torch.zeros_like(part).scatter_add(1, part, torch.where(first, column, 0))
    first = ((column - starts.gather(1, part)) % longest == 0) & mask
    return first, (first.cumsum(dim=1) - 1).masked_fill(~mask, -1)
