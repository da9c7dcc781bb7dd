"""Convolutions over words, and max-pooling that ignores padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import mask_of, masked_max


class WordConvolution(nn.Conv2d):
    """One state per word, from a window of `width` words.

    c[t] = W · [x_{t-b}, …, x_{t-b+width-1}] + bias, with zero vectors before the first word and
    after the last. b is 0 for a window that begins at its word and (width - 1) // 2 for a centred
    one. A text shorter than the filters has states too.

    Computed as an image of height 1 in channels-last order, the memory order of word vectors;
    Conv1d would transpose them first.

    Args:
        input_size: D.
        output_size: F, number of filters.
        width: words in a window.
        centred: put the word in the middle of its window, not at the beginning.

    Raises:
        ValueError: a width below 1.
    """

    def __init__(
        self, input_size: int, output_size: int, width: int, *, centred: bool = False
    ) -> None:
        if width < 1:
            raise ValueError(f"a filter of {width} words is empty; choose a width of 1 or more")
        super().__init__(input_size, output_size, (1, width))
        self.before = (width - 1) // 2 if centred else 0
        self.after = width - 1 - self.before

    def forward(self, states: Tensor, padded: bool = False) -> Tensor:
        """float[B, T, F] states of float[B, T, D] words; padding must be zero (`zero_padding`).

        Args:
            states: the words.
            padded: the words have zero vectors around them already. A text of T positions has
                T - width + 1 states.
        """
        around = (0, 0, self.before, self.after)
        image = (states if padded else F.pad(states, around)).transpose(1, 2).unsqueeze(2)
        return super().forward(image).squeeze(2).transpose(1, 2)  # through [B, D, 1, ·]


def max_pool(
    states: Tensor, lengths: Tensor, size: int, stride: int | None = None
) -> tuple[Tensor, Tensor]:
    """Maximum of each feature in windows of positions, and the number of windows of each row.

    Windows begin at 0, stride, 2·stride, … up to the row's last word; positions past it are
    ignored.

    Args:
        states: [B, T, F].
        lengths: int64[B].
        size: positions in a window, at least `stride`.
        stride: distance between the starts of windows; None: `size`.

    Returns:
        [B, ceil(T / stride), F], -inf past a row's windows, and int64[B] numbers of windows.

    Raises:
        ValueError: a size below 1, or a stride that would skip positions.
    """
    stride = size if stride is None else stride
    if not 1 <= stride <= size:
        raise ValueError(
            f"windows of {size} positions, {stride} apart; choose a size of 1 or more, and a "
            "stride no larger than the size"
        )
    width = states.shape[1]
    missing = ((width + stride - 1) // stride - 1) * stride + size - width
    masked = states.masked_fill(~mask_of(lengths, width)[:, :, None], float("-inf"))
    image = F.pad(masked, (0, 0, 0, missing), value=float("-inf")).transpose(1, 2).unsqueeze(2)
    pooled = F.max_pool2d(image, (1, size), (1, stride)).squeeze(2).transpose(1, 2)
    return pooled, (lengths + stride - 1) // stride


def k_max(states: Tensor, lengths: Tensor, counts: Tensor) -> Tensor:
    """The k largest values of each feature, in the order of their positions.

    Of equal values the earlier are taken, so that the choice does not depend on the padding.

    Args:
        states: [B, T, F].
        lengths: int64[B].
        counts: int64[B], k of each row.

    Returns:
        [B, max(counts), F], -inf past the positions or the k of a row.
    """
    width, most = states.shape[1], int(counts.max())
    masked = states.masked_fill(~mask_of(lengths, width)[:, :, None], float("-inf"))
    # One more position of -inf, to which all values that are not taken point.
    masked = F.pad(masked, (0, 0, 0, max(most - width, 0) + 1), value=float("-inf"))
    places = masked.sort(dim=1, descending=True, stable=True).indices[:, :most]  # [B, K, F]
    taken = mask_of(torch.minimum(counts, lengths), most)[:, :, None]
    order = torch.where(taken, places, masked.shape[1] - 1).sort(dim=1).values
    return masked.gather(1, order)


def k_max_pool(states: Tensor, lengths: Tensor, k: int) -> Tensor:
    """[B, k · F] of [B, T, F]: the same k in every row; for 1 the maximum, without a sort."""
    if k == 1:
        return masked_max(states, lengths)
    return k_max(states, lengths, torch.full_like(lengths, k)).flatten(1)


def dynamic_k(lengths: Tensor, layer: int, num_layers: int, least: int) -> Tensor:
    """int64[B] max(least, ceil((L - l) / L · n)) (Kalchbrenner et al. 2014), l = 1 … L - 1.

    Args:
        lengths: int64[B], n words of each text.
        layer: l.
        num_layers: L.
        least: k of the top layer.
    """
    share = (lengths * (num_layers - layer) + num_layers - 1) // num_layers  # rounded up
    return share.clamp(min=least)
