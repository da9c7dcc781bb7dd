"""Bag: the mean of a text's word embeddings, and a linear layer over it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lit_models.classifier import LitClassifier
from lit_models.layers.masking import mask_of, masked_mean


class BagNet(nn.Module):
    """Embed → drop whole words → mean → dropout → linear.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        num_classes: C.
        dropout: on the mean.
        word_dropout: share of a text's words left out of the mean in training.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        num_classes: int,
        dropout: float,
        word_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_dim, num_classes)
        self.word_dropout = word_dropout

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens)  # [B, T, E]
        if self.training and self.word_dropout:
            kept = torch.rand(tokens.shape, device=tokens.device) >= self.word_dropout
            kept &= mask_of(lengths, tokens.shape[1])
            total = torch.einsum("bte,bt->be", words, kept.to(words.dtype))
            mean = total / kept.sum(dim=1, keepdim=True).clamp(min=1)
        else:
            mean = masked_mean(words, lengths)  # [B, E]
        logits: Tensor = self.output(self.dropout(mean))
        return logits


class Bag(LitClassifier):
    """Averaged word embeddings (Iyyer et al. 2015, "Deep Unordered Composition…", zero layers).

    z = W · mean_t(E[x_t]) + b, with words dropped at random in training (their DAN word dropout).
    At the default size 3,840,258 parameters: 30,000 × 128 embeddings, 128 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        dropout: on the mean.
        word_dropout: share of a text's words left out of the mean in training.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = BagNet(vocab_size, embedding_dim, self.num_classes, dropout, word_dropout)
