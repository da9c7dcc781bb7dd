"""CNN-LSTM: a convolution finds phrases, pooling shortens the text, an LSTM reads what is left."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.convolution import WordConvolution, max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, zero_padding
from lit_models.layers.recurrent import Recurrent


class CNNLSTMNet(nn.Module):
    """Embed → convolution → ReLU → max-pool → LSTM → pool over its states → dropout → linear.

    Lengths follow the pooling: n words leave ceil(n / pool_size) positions, the last of which is
    the maximum of those words alone that its window still holds.

    Args:
        vocab_size: rows of the embedding.
        embedding_dim: E.
        width: filter width in words.
        filters: F.
        pool_size: positions that become one.
        hidden_size: H, of one direction.
        bidirectional: read backwards too.
        pooling: which states speak for the text.
        num_classes: C.
        dropout: on the pooled state.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors, whole dimensions of a text.
        input_dropout: on single values of the word vectors.
        recurrent_dropout: on the LSTM's state; slow, see `Recurrent`.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        width: int,
        filters: int,
        pool_size: int,
        hidden_size: int,
        bidirectional: bool,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        embedding_dropout: float,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if pool_size < 1:
            raise ValueError(f"pool_size is {pool_size}; choose 1 (no pooling), 2, 4 or so")
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.input_dropout = nn.Dropout(input_dropout)
        self.convolution = WordConvolution(embedding_dim, filters, width)
        self.pool_size = pool_size
        self.lstm = Recurrent(
            "lstm",
            filters,
            hidden_size,
            bidirectional=bidirectional,
            recurrent_dropout=recurrent_dropout,
        )
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.lstm.pooled_size(pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.input_dropout(self.embedding(tokens))  # [B, T, E]
        phrases = self.convolution(zero_padding(words, lengths))  # [B, T, F]
        phrases, lengths = max_pool(phrases, lengths, self.pool_size)  # [B, T/p, F]
        # ReLU keeps the order, so it costs less after the maximum; it turns -inf into 0.
        states = self.lstm(phrases.relu(), lengths)  # [B, T/p, H] or [B, T/p, 2H]
        summary = self.lstm.pool(states, lengths, self.pooling)  # [B, ·]
        logits: Tensor = self.output(self.dropout(summary))
        return logits


class CNNLSTM(LitClassifier):
    """Zhou et al. 2015, "A C-LSTM Neural Network for Text Classification", with pooling between.

    c[t] = ReLU(W · [e_t, …, e_{t+w-1}] + b);  p[j] = max(c[jp], …, c[jp+p-1]);
    h_1 … h_m = LSTM(p[0] … p[m-1]), m = ceil(n / p);  z = V · pool(h_1 … h_m) + b_z.
    C-LSTM itself does not pool; as in the Keras example `imdb_cnn_lstm`, pooling shortens what the
    LSTM has to read.
    Shapes: words [B, T, 128] → phrases [B, T, 128] → [B, T / 4, 128] → states [B, T / 4, 128] →
    pooled [B, 256] → logits [B, 2].
    At the default size 4,054,658 parameters: 30,000 × 128 embeddings, 82,048 in the convolution,
    132,096 in the LSTM, 256 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        width: filter width in words.
        filters: number of filters.
        pool_size: positions that become one.
        hidden_size: width of the LSTM's state, of one direction.
        bidirectional: read backwards too.
        pooling: `last` state, `mean`, `max`, or both of `mean+max`.
        dropout: on the pooled state.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors, whole dimensions of a text.
        variant: `seed` builds the layers of the suite's Keras forerunner: 300-wide vectors, dropout
            0.25, 60 filters of width 3, pooling by 2, an LSTM of 128 with recurrent dropout 0.25,
            the last state; all sizes above but `vocab_size` yield. Lengths follow the pooling here
            too, where the forerunner read its padding.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        width: int = 5,
        filters: int = 128,
        pool_size: int = 4,
        hidden_size: int = 128,
        bidirectional: bool = False,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        variant: Literal["default", "seed"] = "default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if variant == "seed":
            self.net = CNNLSTMNet(
                vocab_size,
                embedding_dim=300,
                width=3,
                filters=60,
                pool_size=2,
                hidden_size=128,
                bidirectional=False,
                pooling="last",
                num_classes=self.num_classes,
                dropout=0.0,
                word_dropout=0.0,
                embedding_dropout=0.0,
                input_dropout=0.25,
                recurrent_dropout=0.25,
            )
            return
        self.net = CNNLSTMNet(
            vocab_size,
            embedding_dim,
            width,
            filters,
            pool_size,
            hidden_size,
            bidirectional,
            pooling,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
        )
