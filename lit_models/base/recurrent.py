"""RecurrentClassifier: base of the recurrent architectures, such as `lit_models.lstm.LSTM`."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.language.elmo_embedding import Elmo, word_embedding
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
    ) -> None:
        super().__init__()
        self.embedding, self.recurrent = embedding, recurrent
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(recurrent.pooled_size(pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens, lengths)  # [B, T, E]
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
        num_layers: number of stacked recurrent layers.
        pooling: `last` state of each direction, `mean`, `max`, or both as `mean+max`.
        dropout: dropout on the pooled state.
        layer_dropout: dropout on the states between two layers.
        recurrent_dropout: dropout on the state passed to the next word; slow, see `Recurrent`.
        weight_drop: dropout of recurrent weights, with one mask for a batch.
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        embedding_dropout: dropout of whole dimensions of the word vectors.
        elmo: folder of a finished run of `elmo`, whose layers are added to the word vectors (Peters
            et al. 2018); its weights are saved with the classifier's.
    """

    family: ClassVar[str] = "recurrent"
    cell: ClassVar[Cell]
    bidirectional: ClassVar[bool] = False

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        layer_dropout: float = 0.2,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        elmo: Elmo | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        embedding = word_embedding(
            self, vocab_size, embedding_dim, word_dropout, embedding_dropout, elmo
        )
        recurrent = Recurrent(
            self.cell,
            embedding.width,
            hidden_size,
            num_layers=num_layers,
            bidirectional=self.bidirectional,
            dropout=layer_dropout,
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
        )
        self.net = RecurrentNet(embedding, recurrent, pooling, self.num_classes, dropout)
