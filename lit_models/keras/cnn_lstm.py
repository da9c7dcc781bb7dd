"""KerasCNNLSTM: a convolution, max-pooling by 2, and an LSTM read at its last state."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.convolution import WordConvolution, max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import zero_padding
from lit_models.layers.recurrent import Recurrent


class KerasCNNLSTMNet(nn.Module):
    """Embed → dropout → convolution → ReLU → max-pool → LSTM → last state → linear.

    Args: see `KerasCNNLSTM`.
    """

    pool_size = 2

    def __init__(self, *, vocab_size: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, 300, word_dropout=0.0, dropout=0.0)
        self.input_dropout = nn.Dropout(0.25)
        self.convolution = WordConvolution(300, 60, 3)
        self.lstm = Recurrent("lstm", 60, 128, recurrent_dropout=0.25)
        self.output = nn.Linear(128, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.input_dropout(self.embedding(tokens))  # [B, T, 300]
        phrases = self.convolution(zero_padding(words, lengths))  # [B, T, 60]
        phrases, lengths = max_pool(phrases, lengths, self.pool_size)  # [B, T/2, 60]
        states = self.lstm(phrases.relu(), lengths)  # [B, T/2, 128]
        logits: Tensor = self.output(self.lstm.pool(states, lengths, "last"))
        return logits


class KerasCNNLSTM(LitClassifier):
    """The `imdb_cnn_lstm` example of Keras in other sizes; compare Zhou et al. 2015 (`cnn_lstm`).

    Embedding 300 → dropout 0.25 → 60 filters of 3 words → ReLU → max-pool by 2 → LSTM 128,
    recurrent dropout 0.25 → last state → linear. Lengths follow the pooling, so that the LSTM does
    not read padding, as it did in Keras.
    At the default size 9,151,598 parameters: 30,000 × 300 embeddings, 54,060 in the convolution,
    97,280 in the LSTM, 128 × 2 + 2 output.
    Shapes: words [B, T, 300] → phrases [B, T, 60] → [B, T / 2, 60] → states [B, T / 2, 128] → last
    [B, 128] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
    """

    family: ClassVar[str] = "convolutional"

    def __init__(self, *, vocab_size: int = 30_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.net = KerasCNNLSTMNet(vocab_size=vocab_size, num_classes=self.num_classes)
