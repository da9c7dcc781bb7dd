"""RecurrentClassifier: base of the recurrent architectures, such as `lit_models.lstm.LSTM`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling
from lit_models.layers.recurrent import Cell, Recurrent


class RecurrentNet(nn.Module):
    """Embedding → dropout → recurrent layers → pooling → dropout → linear.

    Args:
        embedding: word vectors of tokens.
        recurrent: states of word vectors.
        pooling: pooling of the states over a text.
        num_classes: C.
        dropout: dropout on the pooled state.
        input_dropout: dropout on single values of the word vectors.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        recurrent: Recurrent,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding, self.recurrent = embedding, recurrent
        self.pooling: Pooling = pooling
        self.input_dropout, self.dropout = nn.Dropout(input_dropout), nn.Dropout(dropout)
        self.output = nn.Linear(recurrent.pooled_size(pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.input_dropout(self.embedding(tokens))  # [B, T, E]
        states = self.recurrent(words, lengths)  # [B, T, D], D = H or 2H
        summary = self.recurrent.pool(states, lengths, self.pooling)  # [B, D] or [B, 2D]
        logits: Tensor = self.output(self.dropout(summary))
        return logits


class RecurrentClassifier(LitClassifier):
    """Recurrent network over word embeddings, with pooled states.

    A subclass sets the cell and the directions; `layers.recurrent.Recurrent` has the equations.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: E, width of a word vector.
        hidden_size: H, width of the state of one direction.
        layers: recurrent layers, one reading the states of the other.
        pooling: `last` state (of each direction), `mean`, `max`, or both of `mean+max`.
        dropout: on the pooled state.
        layer_dropout: on the states between two layers.
        recurrent_dropout: on the state on its way to the next word; slow, see `Recurrent`.
        weight_drop: share of the recurrent weights left out of a batch.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
        variant: `seed` builds the layers of the suite's Keras forerunner, 300-wide vectors, a
            recurrent dropout of 0.25 and the last state; all sizes above but `vocab_size` yield.
    """

    cell: ClassVar[Cell]
    bidirectional: ClassVar[bool] = False
    seed_hidden_size: ClassVar[int] = 128
    seed_input_dropout: ClassVar[float] = 0.0  # of dimensions, on top of 0.25 of single values

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 128,
        layers: int = 1,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        layer_dropout: float = 0.2,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        variant: Literal["default", "seed"] = "default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        input_dropout = 0.0
        if variant == "seed":
            embedding_dim, hidden_size, pooling = 300, self.seed_hidden_size, "last"
            dropout = layer_dropout = weight_drop = word_dropout = 0.0
            input_dropout, recurrent_dropout = 0.25, 0.25
            embedding_dropout = self.seed_input_dropout
        self.net = RecurrentNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            Recurrent(
                self.cell,
                embedding_dim,
                hidden_size,
                layers=layers,
                bidirectional=self.bidirectional,
                dropout=layer_dropout,
                recurrent_dropout=recurrent_dropout,
                weight_drop=weight_drop,
            ),
            pooling,
            self.num_classes,
            dropout,
            input_dropout,
        )
