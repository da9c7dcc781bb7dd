"""CNN: convolutions of several widths over word embeddings, and the maximum of each feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.convolution import WordConvolution, k_max, max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import masked_max, zero_padding


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
        k: values of each feature kept at the top, in their order; where a text has fewer words, 0
            stands for the rest, as for a filter that found nothing.
        layers: convolutions on one another, dynamic k-max pooling between them.
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
        k: int = 1,
        layers: int = 1,
    ) -> None:
        super().__init__()
        for name, value in (("k_max", k), ("layers", layers)):
            if value < 1:
                raise ValueError(f"{name} is {value}; choose 1 or more")
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.k, self.layers = k, layers
        self.convolutions = nn.ModuleList(
            WordConvolution(embedding_dim, filters, width) for width in widths
        )
        self.higher = nn.ModuleList(
            nn.ModuleList(WordConvolution(filters, filters, width) for _ in range(layers - 1))
            for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(filters * len(widths) * k, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = zero_padding(self.embedding(tokens), lengths)  # [B, T, E]
        features = []
        for first, higher in zip(self.convolutions, self.higher, strict=True):
            states, left = first(words), lengths  # [B, T, F]
            for layer, convolution in enumerate(cast(nn.ModuleList, higher), start=1):
                states, left = self._between(states, left, lengths, layer)  # [B, K, F]
                states = convolution(states)
            if self.k == 1:
                top = masked_max(states, left)  # [B, F]
            else:
                counts = torch.full_like(left, self.k)
                top = k_max(states, left, counts).flatten(1)  # [B, k·F]
            features.append(top.relu())  # ReLU keeps the order
        logits: Tensor = self.output(self.dropout(torch.cat(features, dim=1)))
        return logits

    def _between(
        self, states: Tensor, left: Tensor, lengths: Tensor, layer: int
    ) -> tuple[Tensor, Tensor]:
        """What a layer leaves to the next, and how many positions that is in each row."""
        share = (lengths * (self.layers - layer) + self.layers - 1) // self.layers  # rounded up
        counts = share.clamp(min=self.k)
        return k_max(states, left, counts).relu(), torch.minimum(counts, left)


class SeedCNNNet(nn.Module):
    """Embed → dropout → convolution → ReLU → max-pool by 2 → flatten → dense → dropout → linear.

    A weight of the dense layer belongs to one place of the text, so every text is laid out over the
    same number of positions, zero vectors after its last word.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        positions: L, words that a text is laid out over.
        num_classes: C.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, positions: int, num_classes: int
    ) -> None:
        super().__init__()
        if positions < 4:
            raise ValueError(
                f"seed_length is {positions}; choose 4 or more: two windows of 3 words"
            )
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout=0.0, dropout=0.0)
        self.positions = positions
        self.dropout = nn.Dropout(0.25)
        self.convolution = WordConvolution(embedding_dim, 60, 3)
        self.dense = nn.Linear(60 * ((positions - 2) // 2), 120)
        self.output = nn.Linear(120, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.dropout(self.embedding(tokens))  # [B, T, E]
        missing = self.positions - tokens.shape[1]
        if missing < 0 and (longest := int(lengths.max())) > self.positions:
            raise ValueError(
                f"a text has {longest} tokens, more than seed_length {self.positions}; "
                f"set data.max_length to {self.positions}, or seed_length to data.max_length"
            )
        words = F.pad(zero_padding(words, lengths), (0, 0, 0, missing))  # [B, L, E]
        # No window reaches past the last position.
        whole = self.convolution(words)[:, : 2 * ((self.positions - 2) // 2)].relu()
        windows, _ = max_pool(whole, torch.full_like(lengths, whole.shape[1]), 2)  # [B, L/2-1, 60]
        hidden = self.dense(windows.flatten(1)).relu()  # [B, 120]
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class CNN(LitClassifier):
    """Kim 2014, "Convolutional Neural Networks for Sentence Classification" (CNN-rand).

    c_w[t] = ReLU(W_w · [e_t, …, e_{t+w-1}] + b_w);  ĉ_w = max_t c_w[t];
    z = W · [ĉ_3, ĉ_4, ĉ_5] + b.
    At the default size 3,994,502 parameters: 30,000 × 128 embeddings, 100 filters of widths 3, 4, 5
    over 128, 300 × 2 + 2 output.
    Shapes: words [B, T, 128] → features [B, T, 100] per width → maxima [B, 300] → logits [B, 2].

    With `k_max` and `layers` the pooling of Kalchbrenner et al. 2014, "A Convolutional Neural
    Network for Modelling Sentences": the k largest values of each feature, in their order. At the
    top k is `k_max`; below, after layer l of L, it grows with the text's n words:
    k_l = max(k_max, ceil((L - l) / L · n)).

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        widths: filter widths in words.
        filters: filters per width.
        k_max: largest values kept of each feature; 1 is the maximum. In shorter texts, 0 stands for
            the values that are missing.
        layers: convolutions on one another, for each width; dynamic k-max pooling between them.
        dropout: on the pooled features.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
        variant: `seed` builds the layers of the suite's Keras forerunner: 300-wide vectors, dropout
            0.25, 60 filters of width 3, pooling by 2, all positions flattened into a dense layer of
            120; all sizes above but `vocab_size` yield.
        seed_length: words that `variant: seed` has places for; no text may be longer.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        widths: list[int] = [3, 4, 5],  # noqa: B006  # never changed; jsonargparse shows it
        filters: int = 100,
        k_max: int = 1,
        layers: int = 1,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        variant: Literal["default", "seed"] = "default",
        seed_length: int = 400,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if variant == "seed":
            self.net = SeedCNNNet(vocab_size, 300, seed_length, self.num_classes)
            return
        self.net = CNNNet(
            vocab_size,
            embedding_dim,
            widths,
            filters,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
            k_max,
            layers,
        )
