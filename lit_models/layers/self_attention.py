"""Self-attention over padded rows, by softmax or by a kernel of linear cost."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.positions import Rotation, rotate

Kernel = Literal["softmax", "linear"]


class SelfAttention(nn.Module):
    """Every word looks at every word of its text, several times over.

    For each head: Q, K, V = X W_Q, X W_K, X W_V of D/heads dimensions each;
    head = attention(Q, K, V);  Y = [head_1, …, head_H] W_O. No biases, as in the paper.

    Padded keys take no part, whatever stands there as long as it is finite.

    Args:
        width: D.
        num_heads: H.
        kernel: `softmax` or `linear`, see `softmax_attention` and `linear_attention`.
        dropout: share of the softmax weights left out in training. Only off the CPU, where it
            would leave the fast kernel: six times slower (123 ms to 712 ms for forward and backward
            of 32 × 4 heads × 400 words × 32 dimensions, one thread, torch 2.13).

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
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        for block in (*self.project.weight.split(width), self.output.weight):
            nn.init.xavier_uniform_(block)

    def forward(self, states: Tensor, mask: Tensor, turns: Rotation | None = None) -> Tensor:
        """float[B, T, D] from float[B, T, D].

        Args:
            states: finite everywhere, in the padding too.
            mask: bool[B, T], true at words.
            turns: rotary positions, of D/heads dimensions.
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
        dropout: share of the weights left out.
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

    Katharopoulos et al. 2020. The sums over j are the same for all i, so no T × T matrix is made
    and the cost grows with T alone. Rotary positions turn the features of the numerator only, since
    turned features may be negative and the denominator must not (Su et al. 2021, equation 19).

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
    # All features of a far negative query or key vanish together: then it looks at nothing.
    return (queries @ summary) / weight.clamp(min=1e-6)


def positive(states: Tensor) -> Tensor:
    """elu(x) + 1, as exp(x) below zero: e^x - 1 + 1 would round small values to nothing."""
    return states.clamp(max=0.0).exp() + states.relu()
