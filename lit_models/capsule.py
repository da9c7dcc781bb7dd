"""Capsule: a GRU in both directions, whose states agree by routing on a capsule for each class."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.capsule import Capsules, length_of, margin_loss, squash
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.recurrent import Recurrent

Loss = Literal["margin", "cross_entropy"]


class CapsuleNet(nn.Module):
    """Embed → dropout → BiGRU → dropout → a capsule for each word → routing → logits.

    With `margin` there is one output capsule a class and the logits are the logarithms of their
    lengths, so that softmax gives |v_c| / Σ_k |v_k|, a distribution. With `cross_entropy` the
    output capsules stand side by side before a linear layer.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        hidden_size: H, of one direction.
        primary_size: P, width of a word's capsule.
        capsules: J, number of output capsules; with `margin` it is C.
        capsule_size: D, their width.
        iterations: rounds of routing.
        loss: what the output is made for.
        num_classes: C.
        dropout: on the states, whole dimensions of a text.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        primary_size: int,
        capsules: int,
        capsule_size: int,
        iterations: int,
        loss: Loss,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        embedding_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.gru = Recurrent("gru", embedding_dim, hidden_size, bidirectional=True)
        self.dropout = TextDropout(dropout)
        self.primary = nn.Linear(self.gru.output_size, primary_size)
        count = num_classes if loss == "margin" else capsules
        self.capsules = Capsules(primary_size, count, capsule_size, iterations)
        self.output = nn.Linear(count * capsule_size, num_classes) if loss != "margin" else None

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens)  # [B, T, E]
        states = self.dropout(self.gru(words, lengths))  # [B, T, 2H]
        primary = self.primary(states)  # [B, T, P]
        # Squares of half precision lose the small capsules.
        with torch.autocast(tokens.device.type, enabled=False):
            outputs, _ = self.capsules(squash(primary.to(self.primary.weight.dtype)), lengths)
        if self.output is None:
            return length_of(outputs).log()  # [B, C]
        logits: Tensor = self.output(outputs.flatten(1))  # [B, J, D] → [B, C]
        return logits


class SeedCapsuleNet(nn.Module):
    """Spatial dropout → 2 × BiGRU 64 → 10 capsules of 32 in 5 rounds → dropout → linear.

    Those layers as they were, routing included, but for padding, which here does not route.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        num_classes: C.
    """

    def __init__(self, vocab_size: int, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout=0.0, dropout=0.1)
        self.gru = Recurrent("gru", embedding_dim, 64, layers=2, bidirectional=True)
        self.capsules = Capsules(self.gru.output_size, 10, 32, iterations=5, faulty=True)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(10 * 32, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        states = self.gru(self.embedding(tokens), lengths)  # [B, T, 128]
        with torch.autocast(tokens.device.type, enabled=False):
            outputs, _ = self.capsules(states.to(self.capsules.transform.dtype), lengths)
        logits: Tensor = self.output(self.dropout(outputs.flatten(1)))  # [B, 10, 32] → [B, C]
        return logits


class Capsule(LitClassifier):
    """Sabour et al. 2017, "Dynamic Routing Between Capsules", over the states of a BiGRU.

    h_t = [GRU→(x)_t; GRU←(x)_t];  u_t = squash(W_p h_t + b_p);  û_tj = W_j u_t;
    routing by agreement (see `Capsules`) gives v_j;
    margin: p_c = |v_c| / Σ_k |v_k|, learnt by the margin loss on the lengths |v_c|;
    cross_entropy: z = W · [v_1; …; v_J] + b.
    At the default size 3,919,648 parameters: 30,000 × 128 embeddings, 74,496 in the GRUs, 4,128 in
    the words' capsules, 2 × 32 × 16 in the W_j.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of the state of one direction.
        primary_size: width of a word's capsule.
        capsules: output capsules with `cross_entropy`; `margin` has one for each class.
        capsule_size: width of an output capsule.
        iterations: rounds of routing.
        loss: `margin`, or `cross_entropy` over a linear layer.
        dropout: on the states, whole dimensions of a text.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
        variant: `seed` is the Keras model this one succeeds: spatial dropout 0.1 → 2 × BiGRU 64 →
            10 capsules of 32, 5 rounds of its faulty routing → dropout 0.1 → linear, by
            cross-entropy. Of the settings above it takes vocab_size and embedding_dim alone.

    Raises:
        ValueError: an unknown loss or variant, no round of routing, or smoothed labels with
            `margin`, which has margins for that.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 64,
        primary_size: int = 32,
        capsules: int = 8,
        capsule_size: int = 16,
        iterations: int = 3,
        loss: Loss = "margin",
        dropout: float = 0.3,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        variant: Literal["default", "seed"] = "default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if variant not in ("default", "seed"):
            raise ValueError(f"variant is {variant!r}; choose 'default' or 'seed'")
        if loss not in get_args(Loss):
            raise ValueError(f"loss is {loss!r}; choose one of {get_args(Loss)}")
        self.margin = variant == "default" and loss == "margin"
        if self.margin and self.label_smoothing:
            raise ValueError(
                f"label_smoothing is {self.label_smoothing}, and the margin loss has no target to "
                "smooth; set it to 0, or choose loss 'cross_entropy'"
            )
        if variant == "seed":
            self.net = SeedCapsuleNet(vocab_size, embedding_dim, self.num_classes)
            return
        self.net = CapsuleNet(
            vocab_size,
            embedding_dim,
            hidden_size,
            primary_size,
            capsules,
            capsule_size,
            iterations,
            loss,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The margin loss of the lengths, whose logarithms the logits are; or cross-entropy."""
        return margin_loss(logits.exp(), labels) if self.margin else super().loss(logits, labels)
