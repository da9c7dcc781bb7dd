"""KerasRecurrentClassifier: base of the Keras models that read a text with recurrent layers."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.recurrent import Cell, Recurrent


class KerasRecurrentNet(nn.Module):
    """Embed → dropout → recurrent layers → last state of each direction → linear.

    Args:
        embedding: words to vectors.
        recurrent: vectors to states.
        num_classes: C.
    """

    def __init__(self, embedding: WordEmbedding, recurrent: Recurrent, num_classes: int) -> None:
        super().__init__()
        self.embedding, self.recurrent = embedding, recurrent
        self.input_dropout = nn.Dropout(0.25)
        self.output = nn.Linear(recurrent.pooled_size("last"), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.input_dropout(self.embedding(tokens))  # [B, T, 300]
        states = self.recurrent(words, lengths)  # [B, T, H or 2H]
        logits: Tensor = self.output(self.recurrent.pool(states, lengths, "last"))
        return logits


class KerasRecurrentClassifier(LitClassifier):
    """Embedding 300 → dropout 0.25 → recurrent, recurrent dropout 0.25 → last state → linear.

    The last state is that of a text's last word, not of its padding.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        **kwargs: of `LitClassifier`.
    """

    family: ClassVar[str] = "recurrent"
    cell: ClassVar[Cell]
    hidden_size: ClassVar[int]
    num_layers: ClassVar[int] = 1
    bidirectional: ClassVar[bool] = False
    spatial_dropout: ClassVar[float] = 0.0
    """Share of the dimensions of the word vectors left out of a text, before the other dropout."""

    def __init__(self, *, vocab_size: int = 30_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.net = KerasRecurrentNet(
            WordEmbedding(vocab_size, 300, word_dropout=0.0, dropout=self.spatial_dropout),
            Recurrent(
                self.cell,
                300,
                self.hidden_size,
                num_layers=self.num_layers,
                bidirectional=self.bidirectional,
                recurrent_dropout=0.25,
            ),
            self.num_classes,
        )
