"""CNN: convolutions of several widths over word embeddings, and the maximum of each feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.classifier import LitClassifier
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import mask_of, masked_max


class CNNNet(nn.Module):
    """Embed → convolutions side by side → ReLU → max over positions → dropout → linear.

    A filter of width w stands at each word and sees it and the w - 1 after it. Zero vectors follow
    the last word, whatever the batch padded it with, so that a text of one word has features too.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        widths: filter widths in words.
        filters: F, filters per width.
        num_classes: C.
        dropout: on the pooled features.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        widths: Sequence[int],
        filters: int,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        embedding_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.widths = list(widths)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(embedding_dim, filters, (1, width)) for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(filters * len(widths), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens)  # [B, T, E]
        mask = mask_of(lengths, tokens.shape[1])
        words = torch.where(mask[:, :, None], words, 0.0)
        features = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            # As an image of height 1 in channels-last order, which is how word vectors lie in
            # memory: Conv1d would transpose them first.
            image = F.pad(words, (0, 0, 0, width - 1)).transpose(1, 2).unsqueeze(2)  # [B, E, 1, ·]
            states = convolution(image).squeeze(2).transpose(1, 2)  # [B, T, F]
            features.append(masked_max(states, lengths).relu())  # [B, F]; ReLU keeps the order
        logits: Tensor = self.output(self.dropout(torch.cat(features, dim=1)))
        return logits


class CNN(LitClassifier):
    """Kim 2014, "Convolutional Neural Networks for Sentence Classification" (CNN-rand).

    c_w[t] = ReLU(W_w · [e_t, …, e_{t+w-1}] + b_w);  ĉ_w = max_t c_w[t];
    z = W · [ĉ_3, ĉ_4, ĉ_5] + b.
    At the default size 3,994,502 parameters: 30,000 × 128 embeddings, 100 filters of widths 3, 4, 5
    over 128, 300 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        widths: filter widths in words.
        filters: filters per width.
        dropout: on the pooled features.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        widths: list[int] = [3, 4, 5],  # noqa: B006  # never changed; jsonargparse shows it
        filters: int = 100,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = CNNNet(
            vocab_size,
            embedding_dim,
            widths,
            filters,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
        )
