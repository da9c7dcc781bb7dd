"""Bag: the mean of a text's word embeddings, and a linear layer over it."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.bags import distinct, occurrences
from lit_models.layers.masking import mask_of


class BagNet(nn.Module):
    """Embed → drop whole words → mean → dropout → linear.

    Args: see `Bag`; `sparse` gives the embedding sparse gradients.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        embedding_dim: int,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        distinct: bool,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embedding_dim, mode="mean", sparse=sparse)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_dim, num_classes)
        self.word_dropout, self.distinct = word_dropout, distinct

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        mask = mask_of(lengths, tokens.shape[1])  # [B, T]
        words = distinct(tokens, mask) if self.distinct else occurrences(tokens, mask)
        if self.training and self.word_dropout:
            words = words.dropped(self.word_dropout)
        mean = self.embedding(words.values, words.starts(len(tokens)))  # [B, E]; of none: zero
        logits: Tensor = self.output(self.dropout(mean))
        return logits


class Bag(LitClassifier):
    """Averaged word embeddings (Iyyer et al. 2015, "Deep Unordered Composition…", zero layers).

    z = W · mean_{x ∈ text}(E[x]) + b, over a text's distinct words by default (as the binary counts
    of Wang & Manning 2012), with words dropped at random in training.
    At the default size 1,920,130 parameters: 30,000 × 64 embeddings, 64 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        dropout: on the mean.
        word_dropout: share of a text's words left out of the mean in training.
        distinct: count each word of a text once.
    """

    family: ClassVar[str] = "bags"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 64,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        distinct: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = BagNet(
            vocab_size=vocab_size,
            embedding_dim=embedding_dim,
            num_classes=self.num_classes,
            dropout=dropout,
            word_dropout=word_dropout,
            distinct=distinct,
            sparse=self.sparse,
        )
