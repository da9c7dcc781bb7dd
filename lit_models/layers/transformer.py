"""Transformer encoder: self-attention and feed-forward layers with residual connections."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lit_models.layers.dropout import TextDropout
from lit_models.layers.linear import Linear
from lit_models.layers.masking import mask_of
from lit_models.layers.positions import Rotation, rotation
from lit_models.layers.self_attention import Kernel, SelfAttention

Norm = Literal["pre", "post"]


class FeedForward(nn.Sequential):
    """F(x) = W_2 max(0, W_1 x + b_1) + b_2 at each position.

    Args:
        width: D.
        hidden: width of the hidden layer.
        dropout: dropout on the hidden layer.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        first, second = Linear(width, hidden), Linear(hidden, width)
        for layer in (first, second):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        super().__init__(first, nn.ReLU(), TextDropout(dropout), second)


class EncoderLayer(nn.Module):
    """Self-attention A and a feed-forward layer F, each with a residual connection.

    post (Vaswani et al. 2017): x ← LN(x + A(x));  x ← LN(x + F(x)).
    pre (Xiong et al. 2020):    x ← x + A(LN(x));  x ← x + F(LN(x)).

    Args:
        width: D.
        heads: H.
        dim_feedforward: hidden width of F.
        norm: position of the layer norms.
        kernel: kind of attention.
        dropout: dropout on A, on F and inside F.
        attention_dropout: see `SelfAttention`.

    Raises:
        ValueError: sizes that do not fit, an unknown norm.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        dim_feedforward: int,
        norm: Norm,
        kernel: Kernel = "softmax",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f"norm is {norm!r}; choose 'pre' or 'post'")
        self.norm = norm
        self.attention = SelfAttention(width, num_heads, kernel, attention_dropout)
        self.feedforward = FeedForward(width, dim_feedforward, dropout)
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = TextDropout(dropout)

    def forward(self, states: Tensor, mask: Tensor, turns: Rotation | None = None) -> Tensor:
        """float[B, T, D] from float[B, T, D]; see `SelfAttention`."""
        if self.norm == "post":
            mixed = self.dropout(self.attention(states, mask, turns))
            states = self.attention_norm(states + mixed)
            result: Tensor = self.feedforward_norm(states + self.dropout(self.feedforward(states)))
            return result
        mixed = self.attention(self.attention_norm(states), mask, turns)
        states = states + self.dropout(mixed)
        return states + self.dropout(self.feedforward(self.feedforward_norm(states)))


class Encoder(nn.Module):
    """Stack of encoder layers; with `pre` norm, one more layer norm at the end.

    Args:
        width: D.
        num_layers: number of layers.
        heads: H.
        dim_feedforward: hidden width of the feed-forward layers.
        norm: position of the layer norms.
        kernel: kind of attention.
        rotary: rotary positions in the attention.
        dropout: see `EncoderLayer`.
        attention_dropout: see `SelfAttention`.

    Raises:
        ValueError: sizes that do not fit.
    """

    def __init__(
        self,
        width: int,
        num_layers: int,
        num_heads: int,
        dim_feedforward: int,
        norm: Norm,
        kernel: Kernel = "softmax",
        rotary: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; an encoder has at least 1")
        self.layers = nn.ModuleList(
            EncoderLayer(
                width, num_heads, dim_feedforward, norm, kernel, dropout, attention_dropout
            )
            for _ in range(num_layers)
        )
        self.last_norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.turned = width // num_heads if rotary else 0
        if rotary:
            rotation(1, self.turned, torch.empty(0))  # refuses an odd width

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, D] from float[B, T, D]; past a row's length: garbage."""
        mask = mask_of(lengths, states.shape[1])
        # Attention multiplies padded values by 0, and 0 · ∞ is NaN.
        states = torch.where(mask[:, :, None], states, 0.0)
        turns = rotation(states.shape[1], self.turned, states) if self.turned else None
        for layer in self.layers:
            states = layer(states, mask, turns)
        result: Tensor = self.last_norm(states)
        return result
