"""Words → word vectors → BiLSTM → scores of the tags of each word."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.recurrent import Recurrent
from lit_models.tagging.model import Emissions, LitTagger


class BiLSTMNet(nn.Module):
    """Embedding → BiLSTM → linear, at each word. See `BiLSTMTagger`."""

    def __init__(
        self,
        vocab_size: int,
        num_tags: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        word_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, dropout)
        self.recurrent = Recurrent(
            "lstm",
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout,
        )
        self.dropout = TextDropout(dropout)
        self.output = Linear(self.recurrent.output_size, num_tags)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Emissions:
        """Scores float[B, T, K] from int64[B, T] tokens and int64[B] lengths."""
        states = self.recurrent(self.embedding(tokens), lengths)  # [B, T, 2H]
        return Emissions(self.output(self.dropout(states)), lengths)


class RecurrentTagger(LitTagger):
    """Tagger with a `BiLSTMNet`.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: E, width of a word vector.
        hidden_size: H, of each direction.
        num_layers: layers of the BiLSTM.
        dropout: dropout of whole dimensions of a text on the word vectors, between the layers and
            before the output.
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        **kwargs: arguments of `LitTagger`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: BiLSTMNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 192,
        num_layers: int = 1,
        dropout: float = 0.2,
        word_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        sizes = {"embedding_dim": embedding_dim, "hidden_size": hidden_size}
        for name, value in (sizes | {"num_layers": num_layers}).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if vocab_size < 2:
            raise ValueError(f"vocab_size is {vocab_size}; it must be at least 2")
        super().__init__(**kwargs)
        self.net = BiLSTMNet(
            vocab_size,
            self.num_tags,
            **sizes,
            num_layers=num_layers,
            dropout=dropout,
            word_dropout=word_dropout,
        )

    def prepare(self, view: TrainView) -> None:
        """Check that tokens are words.

        Raises:
            ValueError: they are pieces of words.
        """
        if view.continued is not None:
            raise ValueError(
                f"{type(self).__name__} reads whole words, and the tokenizer gives pieces of them; "
                "set --data.tokenizer null"
            )
