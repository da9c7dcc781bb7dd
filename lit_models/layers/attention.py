"""Attention pooling: a text as the weighted mean of its states, with learnt weights.

Each pooling computes scores e_t of the states h_t of a text, and from them
    α_t = exp(e_t) / Σ_s exp(e_s);  summary = Σ_t α_t h_t
Both sums run over the text without padding, which is masked before the softmax: its weights are
exactly 0 and the others sum to 1. The weights are returned with the summary, for display.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from lit_models.layers.linear import Linear
from lit_models.layers.masking import mask_of, zero_padding

Scoring = Literal["additive", "dot", "multiplicative", "context"]


class AdditiveAttention(nn.Module):
    """Bahdanau et al. 2015: e_t = v · tanh(W h_t + U q + b).

    The query q depends on the text; it may be its last state. With one learnt q for all texts
    U q + b would be a mere bias, as in `ContextAttention`.

    Args:
        state_size: D.
        query_size: Q.
        attention_size: A, width of the hidden layer.
    """

    def __init__(self, state_size: int, query_size: int, attention_size: int) -> None:
        super().__init__()
        self.of_state = Linear(state_size, attention_size, bias=False)
        self.of_query = nn.Linear(query_size, attention_size)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def forward(self, states: Tensor, lengths: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] summaries and [B, T] weights of [B, T, D] states, for [B, Q] queries."""
        states = zero_padding(states, lengths)
        hidden = (self.of_state(states) + self.of_query(query)[:, None]).tanh()  # [B, T, A]
        return weighted_sum(self.score(hidden).squeeze(2), states, lengths)


class DotAttention(nn.Module):
    """Luong et al. 2015, "dot": e_t = q · h_t. No parameters; q is as wide as a state."""

    def forward(self, states: Tensor, lengths: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] summaries and [B, T] weights of [B, T, D] states, for [B, D] queries."""
        states = zero_padding(states, lengths)
        return weighted_sum((states @ query[:, :, None]).squeeze(2), states, lengths)


class MultiplicativeAttention(nn.Module):
    """Luong et al. 2015, "general": e_t = q · W h_t.

    Args:
        state_size: D.
        query_size: Q.
    """

    def __init__(self, state_size: int, query_size: int) -> None:
        super().__init__()
        # qᵀ W costs one product for each text, W h_t one for each of its states.
        self.weight = nn.Linear(query_size, state_size, bias=False)
        self.dot = DotAttention()

    def forward(self, states: Tensor, lengths: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] summaries and [B, T] weights of [B, T, D] states, for [B, Q] queries."""
        pooled: tuple[Tensor, Tensor] = self.dot(states, lengths, self.weight(query))
        return pooled


class ContextAttention(nn.Module):
    """Yang et al. 2016: u_t = tanh(W h_t + b);  e_t = u_t · u, with u a learnt context vector.

    Args:
        state_size: D.
        attention_size: A, width of the hidden layer.
    """

    def __init__(self, state_size: int, attention_size: int) -> None:
        super().__init__()
        self.of_state = Linear(state_size, attention_size)
        self.context = nn.Linear(attention_size, 1, bias=False)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] summaries and [B, T] weights of [B, T, D] states."""
        states = zero_padding(states, lengths)
        scores = self.context(self.of_state(states).tanh()).squeeze(2)  # [B, T]
        return weighted_sum(scores, states, lengths)


def weighted_sum(scores: Tensor, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """[B, D] weighted sums of the states of each row, without padding, and the [B, T] weights.

    Args:
        scores: [B, T], any value past a row's length.
        states: [B, T, D], finite past a row's length.
        lengths: int64[B].
    """
    padding = ~mask_of(lengths, states.shape[1])
    weights = scores.masked_fill(padding, float("-inf")).softmax(dim=1)
    return (weights[:, None].to(states.dtype) @ states).squeeze(1), weights
