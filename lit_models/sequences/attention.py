"""Attention of a decoder to the states of an encoder, for several queries at once."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lit_models.layers.linear import Linear
from lit_models.layers.masking import mask_of

Attention = Literal["additive", "multiplicative"]


class CrossAttention(nn.Module):
    """Mean of a text's states h_s, with weights from scores e_ts for a query q_t.

    additive (Bahdanau et al. 2015):          e_ts = v · tanh(W h_s + U q_t + b)
    multiplicative (Luong et al. 2015):       e_ts = q_t · W h_s
    α_ts = exp(e_ts) / Σ_r exp(e_tr);  context_t = Σ_s α_ts h_s, both sums without padding.
    W h_s, the keys, are the same for all queries and so are computed once for a text.
    `lit_models.layers.attention` has the same scores for one query.

    Args:
        kind: the scores.
        state_size: D.
        query_size: Q.
        attention_size: A, width of the hidden layer of additive scores.

    Raises:
        ValueError: an unknown kind.
    """

    def __init__(
        self, kind: Attention, state_size: int, query_size: int, attention_size: int
    ) -> None:
        super().__init__()
        if kind not in get_args(Attention):
            raise ValueError(f"attention is {kind!r}; choose one of {get_args(Attention)}")
        additive = kind == "additive"
        width = attention_size if additive else query_size
        self.of_state = Linear(state_size, width, bias=False)
        self.of_query = Linear(query_size, attention_size) if additive else None
        self.score = Linear(attention_size, 1, bias=False) if additive else None

    def keys(self, states: Tensor) -> Tensor:
        """float[B, S, A or Q] of float[B, S, D] states."""
        keys: Tensor = self.of_state(states)
        return keys

    def forward(
        self, queries: Tensor, keys: Tensor, states: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """float[B, T, D] contexts, and float[B, T, S] weights.

        Args:
            queries: float[B, T, Q].
            keys: what `keys` gives for the states.
            states: float[B, S, D], finite past a row's length.
            lengths: int64[B].
        """
        if self.of_query is None or self.score is None:
            scores = queries @ keys.mT
        else:
            hidden = keys[:, None] + self.of_query(queries)[:, :, None]  # [B, T, S, A]
            scores = self.score(hidden.tanh())[:, :, :, 0]
        padding = ~mask_of(lengths, states.shape[1])[:, None]
        weights = scores.masked_fill(padding, -torch.inf).softmax(dim=2)
        return weights.to(states.dtype) @ states, weights
