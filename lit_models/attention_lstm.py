"""AttentionLSTM: an LSTM in both directions, and the states that matter for the verdict."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.attention import (
    AdditiveAttention,
    ContextAttention,
    DotAttention,
    MultiplicativeAttention,
    Scoring,
    weighted_sum,
)
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, zero_padding
from lit_models.layers.recurrent import Recurrent


class AttentionLSTMNet(nn.Module):
    """Embed → dropout → BiLSTM → attention pooling, other poolings beside it → dropout → linear.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        hidden_size: H, of one direction.
        attention: how states are scored.
        attention_size: A, width of the comparison.
        query: which summary of the states they are compared with.
        pooling: a further summary joined to the attended one, or None.
        num_classes: C.
        dropout: on the summary.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        attention: Scoring,
        attention_size: int,
        query: Pooling,
        pooling: Pooling | None,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        embedding_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.lstm = Recurrent("lstm", embedding_dim, hidden_size, bidirectional=True)
        width = self.lstm.output_size
        self.query: Pooling | None = None if attention == "context" else query
        self.pooling: Pooling | None = pooling
        queried = self.lstm.pooled_size(query)
        if attention == "dot" and queried != width:
            raise ValueError(
                f"query {query!r} is {queried} wide, the states are {width}: attention 'dot' needs "
                "equal widths; choose query 'last', 'mean' or 'max', or attention 'multiplicative'"
            )
        self.attention: nn.Module
        if attention == "additive":
            self.attention = AdditiveAttention(width, queried, attention_size)
        elif attention == "dot":
            self.attention = DotAttention()
        elif attention == "multiplicative":
            self.attention = MultiplicativeAttention(width, queried)
        elif attention == "context":
            self.attention = ContextAttention(width, attention_size)
        else:
            raise ValueError(f"attention is {attention!r}; choose one of {get_args(Scoring)}")
        joined = self.lstm.pooled_size(pooling) if pooling else 0
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width + joined, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        states, summary, _ = self._read(tokens, lengths)
        if self.pooling:
            summary = torch.cat([summary, self.lstm.pool(states, lengths, self.pooling)], dim=1)
        logits: Tensor = self.output(self.dropout(summary))
        return logits

    def attend(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T] weights of the words, for display: they sum to 1, padding has 0."""
        return self._read(tokens, lengths)[2]

    def _read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States, their summary and its weights."""
        words = self.embedding(tokens)  # [B, T, E]
        states = self.lstm(words, lengths)  # [B, T, 2H]
        query = [self.lstm.pool(states, lengths, self.query)] if self.query else []
        summary, weights = self.attention(states, lengths, *query)  # [B, 2H], [B, T]
        return states, summary, weights


class PositionAttention(nn.Module):
    """e_t = tanh(w · h_t + b_t), with a bias for each position, as `variant: seed` has it.

    Args:
        state_size: D.
        positions: biases; the last one serves all positions after it.
    """

    def __init__(self, state_size: int, positions: int) -> None:
        super().__init__()
        self.score = nn.Linear(state_size, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(positions))

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] summaries and [B, T] weights of [B, T, D] states."""
        width = states.shape[1]
        states = zero_padding(states, lengths)
        position = torch.arange(width, device=states.device).clamp(max=len(self.bias) - 1)
        scores = (self.score(states).squeeze(2) + self.bias[position]).tanh()  # [B, T]
        return weighted_sum(scores, states, lengths)


class SeedAttentionNet(nn.Module):
    """Dropout → BiGRU 60 → attention by position → dropout → dense 50 → dropout → linear.

    Those layers as they were, but for one fault: weights were masked after their softmax and no
    longer summed to 1, so that a prediction hung on how much padding stood behind a text. Here the
    mask comes first.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        max_length: positions with a bias of their own.
        num_classes: C.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, max_length: int, num_classes: int
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout=0.0, dropout=0.0)
        self.input_dropout = nn.Dropout(0.25)
        self.gru = Recurrent("gru", embedding_dim, 60, bidirectional=True, recurrent_dropout=0.25)
        self.attention = PositionAttention(self.gru.output_size, max_length)
        self.head = nn.Sequential(
            nn.Dropout(0.25),
            nn.Linear(self.gru.output_size, 50),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(50, num_classes),
        )

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        logits: Tensor = self.head(self._read(tokens, lengths)[0])
        return logits

    def attend(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T] weights of the words, for display: they sum to 1, padding has 0."""
        return self._read(tokens, lengths)[1]

    def _read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        words = self.input_dropout(self.embedding(tokens))  # [B, T, E]
        states = self.gru(words, lengths)  # [B, T, 120]
        summary, weights = self.attention(states, lengths)  # [B, 120], [B, T]
        return summary, weights


class AttentionLSTM(LitClassifier):
    """BiLSTM with attention (Bahdanau et al. 2015; Luong et al. 2015; Yang et al. 2016).

    h_t = [LSTM→(x)_t; LSTM←(x)_t];  α = softmax(e) over the text's own words;
    z = W · Σ_t α_t h_t + b, with e_t, q being a pooling of the h_t:
        additive        v · tanh(W_a h_t + U q + b_a)
        dot             q · h_t
        multiplicative  q · W_a h_t
        context         u · tanh(W_a h_t + b_a), u learnt, no q
    At the default size 3,956,354 parameters: 30,000 × 128 embeddings, 99,328 in the LSTMs,
    16,512 in the attention, 256 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of the state of one direction.
        attention: how states are scored.
        attention_size: width of W_a h_t in `additive` and `context`.
        query: q; `last` is each direction's last state. Unused in `context`.
        pooling: a further summary joined to the attended one; None adds nothing.
        dropout: on the summary.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
        variant: `seed` is the Keras model this one succeeds: dropout 0.25 → BiGRU 60 with
            recurrent dropout 0.25 → e_t = tanh(w · h_t + b_t) → dense 50 ReLU. Of the settings
            above it takes vocab_size and embedding_dim alone.
        max_length: positions with a b_t of their own, in `seed`; best `data.max_length`.

    Raises:
        ValueError: an unknown attention or variant, or a query that `dot` cannot take.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 64,
        attention: Scoring = "additive",
        attention_size: int = 64,
        query: Pooling = "max",
        pooling: Pooling | None = "max",
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        variant: Literal["default", "seed"] = "default",
        max_length: int = 400,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if variant not in ("default", "seed"):
            raise ValueError(f"variant is {variant!r}; choose 'default' or 'seed'")
        if variant == "seed":
            self.net = SeedAttentionNet(vocab_size, embedding_dim, max_length, self.num_classes)
            return
        self.net = AttentionLSTMNet(
            vocab_size,
            embedding_dim,
            hidden_size,
            attention,
            attention_size,
            query,
            pooling,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
        )
