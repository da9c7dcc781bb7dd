"""LSTM: a recurrent reader over word embeddings, and a pooling of its states."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lit_models.classifier import LitClassifier
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, pool, pooled_size


class LSTMNet(nn.Module):
    """Embed → dropout → LSTM → pool over each text's own states → dropout → linear.

    The LSTM runs forward over rows padded at the end only, so no state of a text has seen padding,
    and the dense kernel is kept (a packed sequence is the slow path on a CPU).

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        hidden_size: H.
        pooling: which states speak for the text.
        num_classes: C.
        dropout: on the pooled state.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        embedding_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.lstm = nn.LSTM(embedding_dim, hidden_size, batch_first=True)
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(pooled_size(hidden_size, pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens)  # [B, T, E]
        states, _ = self.lstm(words)  # [B, T, H]
        summary = pool(states, lengths, self.pooling)  # [B, H] or [B, 2H]
        logits: Tensor = self.output(self.dropout(summary))
        return logits


class LSTM(LitClassifier):
    """Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    i, f, o = σ(W x_t + U h_{t-1} + b);  g = tanh(W_g x_t + U_g h_{t-1} + b_g);
    c_t = f ⊙ c_{t-1} + i ⊙ g;  h_t = o ⊙ tanh(c_t);  z = W · pool(h_1 … h_T) + b.
    At the default size 3,972,610 parameters: 30,000 × 128 embeddings, 132,096 in the LSTM,
    256 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of the state.
        pooling: `last` state, `mean`, `max`, or both of `mean+max`.
        dropout: on the pooled state.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 128,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = LSTMNet(
            vocab_size,
            embedding_dim,
            hidden_size,
            pooling,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
        )
