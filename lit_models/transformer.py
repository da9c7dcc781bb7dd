"""Transformer: a small encoder trained from scratch, and a pooling of its states."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.dropout import leave_words_out
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.marks import Marks
from lit_models.layers.masking import pool, pooled_size
from lit_models.layers.positions import LearnedPositions, Positions, sinusoidal
from lit_models.layers.self_attention import Kernel
from lit_models.layers.transformer import Encoder, Norm

EncoderPooling = Literal["cls", "mean", "max", "mean+max"]


class TransformerNet(nn.Module):
    """Embed → add positions → encoder → pool over each text's own states → dropout → linear.

    Args: see `Transformer`; `kernel` is the kind of attention.

    Raises:
        ValueError: sizes that do not fit together, or an unknown choice.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        embedding_dim: int,
        num_layers: int,
        num_heads: int,
        dim_feedforward: int,
        positions: Positions,
        max_positions: int,
        pooling: EncoderPooling,
        norm: Norm,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        embedding_dropout: float,
        attention_dropout: float = 0.0,
        kernel: Kernel = "softmax",
    ) -> None:
        super().__init__()
        for name, choice, choices in (
            ("positions", positions, get_args(Positions)),
            ("pooling", pooling, get_args(EncoderPooling)),
        ):
            if choice not in choices:
                raise ValueError(f"{name} is {choice!r}; choose one of {', '.join(choices)}")
        self.embedding = WordEmbedding(vocab_size, embedding_dim, 0.0, embedding_dropout)
        self.vocab_size, self.word_dropout = vocab_size, word_dropout
        self.positions: Positions = positions
        if positions == "learned":
            self.learned = LearnedPositions(max_positions, embedding_dim)
        elif positions == "sinusoidal":
            sinusoidal(1, embedding_dim, torch.empty(0))  # refuses an odd width now
        self.pooling: EncoderPooling = pooling
        if pooling == "cls":
            self.cls = nn.Parameter(0.1 * torch.randn(embedding_dim))
        self.encoder = Encoder(
            embedding_dim,
            num_layers,
            num_heads,
            dim_feedforward,
            norm,
            kernel,
            rotary=positions == "rotary",
            dropout=dropout,
            attention_dropout=attention_dropout,
        )
        self.dropout = nn.Dropout(dropout)
        summary_size = pooled_size(embedding_dim, "mean" if pooling == "cls" else pooling)
        self.output = nn.Linear(summary_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        if self.training and self.word_dropout:
            tokens, lengths = leave_words_out(tokens, lengths, self.vocab_size, self.word_dropout)
        words = self.embedding(tokens)  # [B, T, D]
        if self.pooling == "cls":
            first = self.cls.expand(words.shape[0], 1, -1)
            words, lengths = torch.cat([first, words], dim=1), lengths + 1  # T + 1 from here on
        states = words * math.sqrt(words.shape[2])  # as in the paper: about as large as positions
        if self.positions == "sinusoidal":
            states = states + sinusoidal(states.shape[1], states.shape[2], states)
        elif self.positions == "learned":
            states = self.learned(states, lengths)
        states = self.encoder(states, lengths)  # [B, T, D]
        # [B, D], or [B, 2D] for `mean+max`
        summary = states[:, 0] if self.pooling == "cls" else pool(states, lengths, self.pooling)
        logits: Tensor = self.output(self.dropout(summary))
        return logits

    def check_longest(self, length: int) -> None:
        """Raises a ValueError if a text of this many words exceeds the learned positions."""
        if self.positions == "learned":
            self.learned.check(length + (self.pooling == "cls"))


class Transformer(LitClassifier):
    """Vaswani et al. 2017, "Attention Is All You Need": the encoder, with no pretraining.

    X = √D · E[x] + P;  for each head A_h(X) = softmax(Q Kᵀ / √d) V with Q, K, V = X W_Q, X W_K,
    X W_V and d = D / heads;  A(X) = [A_1, …, A_H] W_O;  F(x) = W_2 max(0, W_1 x + b_1) + b_2;
    a layer is X ← X + A(LN(X)), X ← X + F(LN(X)) (pre-norm; post-norm is X ← LN(X + A(X)), …);
    z = W · pool(X) + b.
    At the default size 1,953,474 parameters: 30,000 × 64 embeddings; in each layer 4 × 64² of
    attention, 2 × 64 × 128 + 192 of feed-forward and 4 × 64 of layer norms; 128 of the last layer
    norm; 64 × 2 + 2 output.
    Shapes: words [B, T, 64] → states [B, T, 64] of each layer → pooled [B, 64] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: D, width of a word vector and of every state.
        num_layers: encoder layers.
        num_heads: attention heads; a divisor of D.
        dim_feedforward: hidden width of the feed-forward layers.
        positions: `sinusoidal` waves or `learned` vectors added to the words, `rotary` turns of
            queries and keys (Su et al. 2021), or `none`: word order is ignored.
        max_positions: number of learned positions; longer texts are refused. `cls` takes one.
        pooling: a learnt `cls` vector in front of the text, the `mean` or `max` of its words'
            states, or both of `mean+max`.
        norm: `pre` (Xiong et al. 2020) or `post`.
        dropout: in the encoder (whole dimensions of a text), and on the pooled state.
        word_dropout: share of the vocabulary removed from the texts of a batch in training.
        embedding_dropout: on the word vectors.
        attention_dropout: on the attention weights. Refused in training on a CPU, where it disables
            the fast kernel and takes six times as long.

    Raises:
        ValueError: sizes that do not fit together, or an unknown choice.
    """

    net: TransformerNet
    family: ClassVar[str] = "Transformers"
    kernel: ClassVar[Kernel] = "softmax"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 64,
        num_layers: int = 1,
        num_heads: int = 2,
        dim_feedforward: int = 128,
        positions: Positions = "sinusoidal",
        max_positions: int = 512,
        pooling: EncoderPooling = "mean",
        norm: Norm = "pre",
        dropout: float = 0.4,
        word_dropout: float = 0.4,
        embedding_dropout: float = 0.4,
        attention_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = TransformerNet(
            vocab_size=vocab_size,
            embedding_dim=embedding_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            dim_feedforward=dim_feedforward,
            positions=positions,
            max_positions=max_positions,
            pooling=pooling,
            norm=norm,
            num_classes=self.num_classes,
            dropout=dropout,
            word_dropout=word_dropout,
            embedding_dropout=embedding_dropout,
            attention_dropout=attention_dropout,
            kernel=self.kernel,
        )

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Attention that each word receives in the last layer, the mean over heads and words."""
        attention: Any = self.net.encoder.layers[-1].attention
        inputs = list[Any]()
        if attention.kernel != "softmax":
            return {}
        with attention.register_forward_pre_hook(lambda _, given: inputs.append(given)):
            self(batch)
        received = attention.weights(*inputs[0])[0].mean(dim=(0, 1))  # [T]
        words = received[len(received) - batch.tokens.shape[1] :]  # without that of `cls`
        return {"attention in the last layer": Marks.of_tokens(words)}

    def prepare(self, view: TrainView) -> None:
        """Checks the longest text against the learned positions before the first step."""
        self.net.check_longest(int(view.tokens.lengths.max()))
