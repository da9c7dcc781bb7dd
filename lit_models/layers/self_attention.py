"""Self-attention over padded rows: softmax attention, and linear attention."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.linear import Linear
from lit_models.layers.positions import Rotation, rotate

Kernel = Literal["softmax", "linear"]


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017).

    For each head: Q, K, V = X W_Q, X W_K, X W_V of D/H dimensions each;
    head = attention(Q, K, V);  Y = [head_1, …, head_H] W_O. No biases, as in the paper.

    Padded keys have no influence, provided that the states there are finite.

    Args:
        width: D.
        num_heads: H.
        kernel: `softmax` or `linear`, see `softmax_attention` and `linear_attention`.
        dropout: dropout of softmax weights in training. Refused on a CPU, where the fast kernel has
            none and attention takes six times as long (712 instead of 123 ms for forward and
            backward of 32 × 4 heads × 400 words × 32 dimensions, one thread, torch 2.13).

    Raises:
        ValueError: sizes that do not fit; in training, attention dropout on a CPU.
    """

    def __init__(
        self, width: int, num_heads: int, kernel: Kernel = "softmax", dropout: float = 0.0
    ) -> None:
        super().__init__()
        if num_heads < 1 or width % num_heads:
            raise ValueError(
                f"embedding_dim {width} cannot be shared by {num_heads} heads; choose a divisor of "
                f"{width} as --model.num_heads"
            )
        if dropout and kernel == "linear":
            raise ValueError("linear attention has no weights that attention_dropout could drop")
        self.num_heads, self.kernel, self.dropout = num_heads, kernel, dropout
        self.project = Linear(width, 3 * width, bias=False)
        self.output = Linear(width, width, bias=False)
        for block in (*self.project.weight.split(width), self.output.weight):
            nn.init.xavier_uniform_(block)

    def forward(self, states: Tensor, mask: Tensor, turns: Rotation | None = None) -> Tensor:
        """float[B, T, D] from float[B, T, D].

        Args:
            states: finite, in the padding too.
            mask: bool[B, T], true at words.
            turns: rotary positions, of D/H dimensions.
        """
        rows, length, width = states.shape
        parts = self.project(states).view(rows, length, 3, self.num_heads, width // self.num_heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each [B, H, T, d]
        if self.kernel == "linear":
            mixed = linear_attention(queries, keys, values, mask, turns)
        else:
            mixed = softmax_attention(queries, keys, values, mask, turns, self._dropout(states))
        joined = mixed.transpose(1, 2).flatten(2)  # [B, T, D]
        result: Tensor = self.output(joined)
        return result

    def weights(self, states: Tensor, mask: Tensor, turns: Rotation | None = None) -> Tensor:
        """float[B, H, T, T] softmax weights of the keys (last) for each query, for display."""
        parts = self.project(states).unflatten(2, (3, self.num_heads, -1))
        queries, keys, _ = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each [B, H, T, d]
        if turns is not None:
            queries, keys = rotate(queries, turns), rotate(keys, turns)
        products: Tensor = queries @ keys.transpose(2, 3) / queries.shape[3] ** 0.5
        return products.masked_fill(~mask[:, None, None, :], float("-inf")).softmax(dim=3)

    def _dropout(self, states: Tensor) -> float:
        if not (self.training and self.dropout):
            return 0.0
        if states.device.type == "cpu":
            raise ValueError(
                f"attention_dropout is {self.dropout} and training runs on a CPU, where it leaves "
                "the fast attention kernel; set --model.attention_dropout 0 or train on a GPU"
            )
        return self.dropout


def softmax_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    turns: Rotation | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """out_i = Σ_j softmax_j(q_i · k_j / √d) v_j (Vaswani et al. 2017): [B, H, T, d].

    Args:
        queries: [B, H, T, d].
        keys: [B, H, T, d].
        values: [B, H, T, d].
        mask: bool[B, T], true at words.
        turns: rotary positions.
        dropout: dropout of the weights.
    """
    if turns is not None:
        queries, keys = rotate(queries, turns), rotate(keys, turns)
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask[:, None, None, :], dropout_p=dropout
    )


def linear_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    turns: Rotation | None = None,
) -> Tensor:
    """out_i = φ(q_i) Σ_j φ(k_j)ᵀ v_j / φ(q_i) · Σ_j φ(k_j), φ(x) = elu(x) + 1: [B, H, T, d].

    Katharopoulos et al. 2020. The sums over j are the same for all i, so there is no T × T matrix
    and the cost is linear in T. Rotary positions rotate the features of the numerator only, since
    rotated features may be negative and the denominator must not (Su et al. 2021, equation 19).

    Args:
        queries: [B, H, T, d].
        keys: [B, H, T, d].
        values: [B, H, T, d].
        mask: bool[B, T], true at words.
        turns: rotary positions.
    """
    queries = positive(queries)
    keys = torch.where(mask[:, None, :, None], positive(keys), 0.0)
    weight = queries @ keys.sum(dim=2).unsqueeze(3)  # [B, H, T, 1]
    if turns is not None:
        queries, keys = rotate(queries, turns), rotate(keys, turns)
    summary = keys.transpose(2, 3) @ values  # [B, H, d, d]
    # All features of a very negative query or key underflow; its output is then zero, not NaN.
    return (queries @ summary) / weight.clamp(min=1e-6)


def positive(states: Tensor) -> Tensor:
    """elu(x) + 1, computed as exp(x) below zero, as (exp(x) - 1) + 1 rounds small values to 0."""
    return states.clamp(max=0.0).exp() + states.relu()
