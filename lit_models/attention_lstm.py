"""AttentionLSTM: a bidirectional LSTM whose states are averaged under learnt weights."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from lit_models.base.classifier import LitClassifier
from lit_models.layers.attention import (
    AdditiveAttention,
    ContextAttention,
    DotAttention,
    MultiplicativeAttention,
    Scoring,
)
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.marks import Marks
from lit_models.layers.masking import Pooling
from lit_models.layers.recurrent import Recurrent


class AttentionLSTMNet(nn.Module):
    """Embed → BiLSTM → attention pooling, a second pooling beside it → dropout → linear.

    Args: see `AttentionLSTM`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        hidden_size: int,
        attention: Scoring,
        attention_size: int,
        query: Pooling,
        pooling: Pooling | None,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        dim = embedding.table.embedding_dim
        self.lstm = Recurrent("lstm", dim, hidden_size, bidirectional=True)
        width, query_size = self.lstm.output_size, self.lstm.pooled_size(query)
        self.query: Pooling | None = None if attention == "context" else query
        self.pooling: Pooling | None = pooling
        if attention == "dot" and query_size != width:
            raise ValueError(
                f"query {query!r} is {query_size} wide, the states are {width}: attention 'dot' "
                "needs equal widths; choose query 'last', 'mean' or 'max', or attention "
                "'multiplicative'"
            )
        self.attention: nn.Module
        if attention == "additive":
            self.attention = AdditiveAttention(width, query_size, attention_size)
        elif attention == "dot":
            self.attention = DotAttention()
        elif attention == "multiplicative":
            self.attention = MultiplicativeAttention(width, query_size)
        elif attention == "context":
            self.attention = ContextAttention(width, attention_size)
        else:
            raise ValueError(f"attention is {attention!r}; choose one of {get_args(Scoring)}")
        pooled_size = self.lstm.pooled_size(pooling) if pooling else 0
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width + pooled_size, num_classes)

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
        """States, their weighted sum and the weights."""
        words = self.embedding(tokens)  # [B, T, E]
        states = self.lstm(words, lengths)  # [B, T, 2H]
        query = [self.lstm.pool(states, lengths, self.query)] if self.query else []
        summary, weights = self.attention(states, lengths, *query)  # [B, 2H], [B, T]
        return states, summary, weights


class AttentionLSTM(LitClassifier):
    """BiLSTM with attention (Bahdanau et al. 2015; Luong et al. 2015; Yang et al. 2016).

    h_t = [LSTM→(x)_t; LSTM←(x)_t];  α = softmax(e) over the text's own words;
    z = W · Σ_t α_t h_t + b. The query q is a pooling of the h_t, and the score e_t is
        additive        v · tanh(W_a h_t + U q + b_a)
        dot             q · h_t
        multiplicative  q · W_a h_t
        context         u · tanh(W_a h_t + b_a), with u learnt and no q
    At the default size 3,956,354 parameters: 30,000 × 128 embeddings, 99,328 in the LSTMs,
    16,512 in the attention, 256 × 2 + 2 output.
    Shapes: words [B, T, 128] → states [B, T, 128] → sum and maximum [B, 256] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of the state of one direction.
        attention: score of a state.
        attention_size: width of W_a h_t in `additive` and `context`.
        query: q; `last` is each direction's last state. Unused in `context`.
        pooling: a second pooling of the states, concatenated to the weighted sum; None for none.
        dropout: on what the output layer reads.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: an unknown attention, or a query of a width that `dot` cannot take.
    """

    net: AttentionLSTMNet
    family: ClassVar[str] = "attention, capsules"

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = AttentionLSTMNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            hidden_size=hidden_size,
            attention=attention,
            attention_size=attention_size,
            query=query,
            pooling=pooling,
            num_classes=self.num_classes,
            dropout=dropout,
        )

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Attention weights of the words' states."""
        return {"attention": Marks.of_tokens(self.net.attend(batch.tokens, batch.lengths)[0])}
