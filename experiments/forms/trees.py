"""Portable form of the Tree-LSTM that builds its own trees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import pool
from lit_models.layers.tree_lstm import leftmost
from lit_models.tree_lstm import TreeLSTMNet


class Trees(nn.Module):
    """A `TreeLSTM` over sentences that are split already; no size depends on the words.

    All sentences have as many merges as the longest that there can be, each over one node less. A
    sentence that is one node already keeps it. Every candidate is computed anew at each merge.
    """

    def __init__(self, net: TreeLSTMNet) -> None:
        super().__init__()
        self.embedding, self.tree, self.output = net.embedding, net.tree, net.output
        self.longest, self.pooling = net.max_sentence_length, net.pooling

    def forward(self, tokens: Tensor, lengths: Tensor, places: Tensor, counts: Tensor) -> Tensor:
        """float[B, C] logits.

        Args:
            tokens: int64[S, T] words of each sentence.
            lengths: int64[S].
            places: int64[B, N], sentences of each text.
            counts: int64[B], their numbers.
        """
        size = self.tree.hidden_size
        words = F.pad(tokens, (0, self.longest))[:, : self.longest]
        nodes = self.tree.leaf(self.embedding(words))  # [S, M, 2D]
        for left in range(self.longest - 1, 0, -1):
            column = torch.arange(left, device=tokens.device)
            pairs = self.tree.parents(nodes[:, :-1].flatten(0, 1), nodes[:, 1:].flatten(0, 1))
            pairs = pairs.unflatten(0, (-1, left))
            scores = pairs[:, :, :size] @ self.tree.query
            place = leftmost(scores.masked_fill(column >= lengths[:, None] - 1, -torch.inf))
            merges = lengths > 1
            at = ((column == place[:, None]) & merges[:, None])[:, :, None]
            after = ((column > place[:, None]) & merges[:, None])[:, :, None]
            nodes = torch.where(at, pairs, torch.where(after, nodes[:, 1:], nodes[:, :-1]))
            lengths = lengths - merges.long()
        roots = nodes[:, 0, :size]
        logits: Tensor = self.output(pool(roots[places], counts, self.pooling))
        return logits
