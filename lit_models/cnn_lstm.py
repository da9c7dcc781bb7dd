"""CNNLSTM: a convolution over words, max-pooling, and an LSTM over the shortened sequence."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.language.elmo_embedding import Elmo, word_embedding
from lit_models.layers.convolution import WordConvolution, max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, zero_padding
from lit_models.layers.recurrent import Recurrent


class CNNLSTMNet(nn.Module):
    """Embed → convolution → ReLU → max-pool → LSTM → pool over its states → dropout → linear.

    Lengths follow the pooling: n words give ceil(n / pool_size) positions. Args: see `CNNLSTM`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        filter_size: int,
        num_filters: int,
        pool_size: int,
        hidden_size: int,
        bidirectional: bool,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        if pool_size < 1:
            raise ValueError(f"pool_size is {pool_size}; choose 1 (no pooling) or more, such as 4")
        self.embedding = embedding
        dim = embedding.width
        self.convolution = WordConvolution(dim, num_filters, filter_size)
        self.pool_size = pool_size
        self.lstm = Recurrent("lstm", num_filters, hidden_size, bidirectional=bidirectional)
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.lstm.pooled_size(pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens, lengths)  # [B, T, E]
        phrases = self.convolution(zero_padding(words, lengths))  # [B, T, F]
        phrases, lengths = max_pool(phrases, lengths, self.pool_size)  # [B, T/p, F]
        # ReLU after the maximum costs less and gives the same; it turns -inf into 0.
        states = self.lstm(phrases.relu(), lengths)  # [B, T/p, H] or [B, T/p, 2H]
        summary = self.lstm.pool(states, lengths, self.pooling)  # [B, ·]
        logits: Tensor = self.output(self.dropout(summary))
        return logits


class CNNLSTM(LitClassifier):
    """Zhou et al. 2015, "A C-LSTM Neural Network for Text Classification", with max-pooling.

    c[t] = ReLU(W · [e_t, …, e_{t+w-1}] + b);  p[j] = max(c[jp], …, c[jp+p-1]);
    h_1 … h_m = LSTM(p[0] … p[m-1]), m = ceil(n / p);  z = V · pool(h_1 … h_m) + b_z.
    C-LSTM itself has no pooling between the two; as in the Keras example `imdb_cnn_lstm`, it
    shortens the sequence that the LSTM reads.
    Shapes: words [B, T, 128] → phrases [B, T, 128] → [B, T / 4, 128] → states [B, T / 4, 128] →
    pooled [B, 256] → logits [B, 2].
    At the default size 4,054,658 parameters: 30,000 × 128 embeddings, 82,048 in the convolution,
    132,096 in the LSTM, 256 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        filter_size: w, words that a filter covers.
        num_filters: filters of the convolution.
        pool_size: p, positions merged into one; 1 does not pool.
        hidden_size: width of the state of one direction.
        bidirectional: read in both directions.
        pooling: `last` state, `mean`, `max`, or both of `mean+max`.
        dropout: on the pooled state.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors, whole dimensions of a text.
        elmo: folder of a finished run of `elmo`, whose layers are added to the word vectors (Peters
            et al. 2018); its weights are saved with the classifier's.
    """

    family: ClassVar[str] = "convolutional"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        filter_size: int = 5,
        num_filters: int = 128,
        pool_size: int = 4,
        hidden_size: int = 128,
        bidirectional: bool = False,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        elmo: Elmo | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = CNNLSTMNet(
            word_embedding(self, vocab_size, embedding_dim, word_dropout, embedding_dropout, elmo),
            filter_size=filter_size,
            num_filters=num_filters,
            pool_size=pool_size,
            hidden_size=hidden_size,
            bidirectional=bidirectional,
            pooling=pooling,
            num_classes=self.num_classes,
            dropout=dropout,
        )
