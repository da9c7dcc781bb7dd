"""Positions of words for attention: sinusoidal, learned or rotary."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Positions = Literal["sinusoidal", "learned", "rotary", "none"]
Rotation = tuple[Tensor, Tensor]  # cosines and sines, [T, d/2] each

_BASE = 10_000.0  # the longest wavelength is about 2π times this many words


def angles(length: int, width: int, like: Tensor) -> Tensor:
    """float[T, width/2] angles t · 10000^(-2i/width) of position t and frequency i.

    Args:
        length: T.
        width: number of dimensions, even.
        like: tensor with the dtype and device of the result.

    Raises:
        ValueError: an odd width.
    """
    if width % 2:
        raise ValueError(
            f"positions rotate pairs of dimensions and {width} is odd; choose an even "
            "--model.embedding_dim, for rotary positions an even multiple of --model.num_heads"
        )
    steps = torch.arange(0, width, 2, dtype=like.dtype, device=like.device)
    times = torch.arange(length, dtype=like.dtype, device=like.device)
    return times[:, None] * _BASE ** (-steps / width)


def sinusoidal(length: int, width: int, like: Tensor) -> Tensor:
    """float[T, width] encodings: sines in even dimensions, cosines in odd (Vaswani et al. 2017).

    P[t, 2i] = sin(t · 10000^(-2i/width));  P[t, 2i+1] = cos(t · 10000^(-2i/width)).
    """
    phases = angles(length, width, like)
    return torch.stack([phases.sin(), phases.cos()], dim=2).flatten(1)


def rotation(length: int, width: int, like: Tensor) -> Rotation:
    """Rotations for `rotate`, of T positions and vectors of `width` dimensions."""
    phases = angles(length, width, like)
    return phases.cos(), phases.sin()


def rotate(vectors: Tensor, by: Rotation) -> Tensor:
    """Rotate each pair of dimensions by an angle proportional to the position (Su et al. 2021).

    Dimensions i and i + d/2 are a pair: (a, b) → (a cos - b sin, a sin + b cos). The product of a
    rotated query and a rotated key depends only on the two vectors and on their distance.

    Args:
        vectors: [..., T, d].
        by: see `rotation`.
    """
    cos, sin = (part.to(vectors.dtype) for part in by)
    a, b = vectors.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class LearnedPositions(nn.Module):
    """Add a learned vector for each position.

    Args:
        max_positions: number of vectors.
        width: D.

    Raises:
        ValueError: `max_positions` below 1.
    """

    def __init__(self, max_positions: int, width: int) -> None:
        super().__init__()
        if max_positions < 1:
            raise ValueError(f"max_positions is {max_positions}; it must be at least 1")
        self.table = nn.Parameter(torch.empty(max_positions, width))
        nn.init.normal_(self.table, std=0.1)

    def check(self, longest: int) -> None:
        """Raise a ValueError if a text of `longest` positions has more than there are vectors."""
        if longest > len(self.table):
            raise ValueError(
                f"a text takes {longest} positions and {len(self.table)} are learned; raise "
                "--model.max_positions, lower --data.max_length or choose other --model.positions"
            )

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] from [B, T, D]; nothing is added to padding past the last learned position."""
        width = states.shape[1]
        if width > len(self.table):  # first, as reading the maximum makes a GPU wait
            self.check(int(lengths.max()))
        return states + F.pad(self.table, (0, 0, 0, width - len(self.table)))  # or crop
