"""Where a word stands: what attention, blind to order, is told of it."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Positions = Literal["sinusoidal", "learned", "rotary", "none"]
Rotation = tuple[Tensor, Tensor]  # cosines and sines, [T, d/2] each

_BASE = 10_000.0  # the slowest wave is about 2π times this many words long


def angles(length: int, width: int, like: Tensor) -> Tensor:
    """float[T, width/2]: position t times frequency i, t · 10000^(-2i/width).

    Args:
        length: T.
        width: an even number of dimensions.
        like: gives dtype and device.

    Raises:
        ValueError: an odd width.
    """
    if width % 2:
        raise ValueError(
            f"positions turn pairs of dimensions and {width} is odd; choose an even "
            "--model.embedding_dim, for rotary positions an even multiple of --model.num_heads"
        )
    steps = torch.arange(0, width, 2, dtype=like.dtype, device=like.device)
    times = torch.arange(length, dtype=like.dtype, device=like.device)
    return times[:, None] * _BASE ** (-steps / width)


def sinusoidal(length: int, width: int, like: Tensor) -> Tensor:
    """float[T, width] waves: sine in the even dimensions, cosine in the odd (Vaswani et al. 2017).

    P[t, 2i] = sin(t · 10000^(-2i/width));  P[t, 2i+1] = cos(t · 10000^(-2i/width)).
    """
    turns = angles(length, width, like)
    return torch.stack([turns.sin(), turns.cos()], dim=2).flatten(1)


def rotation(length: int, width: int, like: Tensor) -> Rotation:
    """The turns of `rotate` for T positions and vectors of `width` dimensions."""
    turns = angles(length, width, like)
    return turns.cos(), turns.sin()


def rotate(vectors: Tensor, turns: Rotation) -> Tensor:
    """Turns each pair of dimensions by an angle that grows with the position (Su et al. 2021).

    Dimensions i and i + d/2 make a pair: (a, b) → (a cos - b sin, a sin + b cos). The product of a
    query and a key turned so depends on their contents and on the distance between them alone.

    Args:
        vectors: [..., T, d].
        turns: of `rotation`.
    """
    cos, sin = (part.to(vectors.dtype) for part in turns)
    a, b = vectors.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class LearnedPositions(nn.Module):
    """Adds a vector of its own to each position.

    Args:
        max_positions: how many there are.
        width: D.
    """

    def __init__(self, max_positions: int, width: int) -> None:
        super().__init__()
        if max_positions < 1:
            raise ValueError(f"max_positions is {max_positions}; it must be at least 1")
        self.table = nn.Parameter(torch.empty(max_positions, width))
        nn.init.normal_(self.table, std=0.1)

    def check(self, longest: int) -> None:
        """Raises a ValueError if a text of this many positions does not fit."""
        if longest > len(self.table):
            raise ValueError(
                f"a text takes {longest} positions and {len(self.table)} are learned; raise "
                "--model.max_positions, lower --data.max_length or choose other --model.positions"
            )

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] from [B, T, D]; padding past the last learned position gets none."""
        width = states.shape[1]
        if width > len(self.table):  # asked first: the maximum would make a GPU wait
            self.check(int(lengths.max()))
        return states + F.pad(self.table, (0, 0, 0, width - len(self.table)))  # cuts, or adds zeros
