"""RecurrentLanguageModel: base of the recurrent language models, such as `lit_models.lstm_lm`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import torch
from torch import Tensor, nn

from lit_models.language.model import Direction, LitLanguageModel, State
from lit_models.language.softmax import make_softmax
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.recurrence import reversed_positions
from lit_models.layers.recurrent import Cell
from lit_models.layers.recurrent import Direction as Layer

if TYPE_CHECKING:
    from datamodules.store.stream import StreamBatch


class Reader(nn.Module):
    """Stacked recurrent layers that read in one direction, with a state that can be carried on.

    Args:
        cell: type of cell.
        input_size: I.
        hidden_size: H.
        num_layers: L.
        dropout: dropout of whole dimensions of a row on the states between two layers.
        weight_drop: dropout of recurrent weights, with one mask for a batch.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        weight_drop: float,
    ) -> None:
        super().__init__()
        self.hidden_size, self.tensors = hidden_size, 2 if cell == "lstm" else 1
        sizes = [input_size, *[hidden_size] * num_layers]
        self.layers = nn.ModuleList(
            Layer(cell, size, hidden_size, weight_drop=weight_drop) for size in sizes[:-1]
        )
        self.dropout = TextDropout(dropout)

    def begin(self, like: Tensor, size: int) -> State:
        """Zero states of `size` rows: of each layer h, and of LSTMs c, float[B, H] each."""
        count = self.tensors * len(self.layers)
        return tuple(like.new_zeros(size, self.hidden_size) for _ in range(count))

    def forward(self, words: Tensor, state: State) -> tuple[list[Tensor], State]:
        """float[B, T, H] states of each layer, and the state after the last word."""
        states, last = list[Tensor](), list[Tensor]()
        layers: list[Layer] = list(self.layers)  # type: ignore[arg-type]
        for number, layer in enumerate(layers):
            before = state[number * self.tensors : (number + 1) * self.tensors]
            words, after = layer.carry(self.dropout(words) if number else words, before)
            states.append(words)
            last += after
        return states, tuple(last)


class RecurrentLMNet(nn.Module):
    """Embedding → one reader for each direction → dropout → (projection) → softmax.

    The directions share the embedding and the softmax. See `RecurrentLanguageModel` for the
    arguments.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        readers: Sequence[Reader],
        dropout: float,
        cutoffs: Sequence[int] | None,
        tie_weights: bool,
    ) -> None:
        super().__init__()
        self.embedding, self.readers = embedding, nn.ModuleList(readers)
        self.dropout = TextDropout(dropout)
        vocab_size, width = embedding.table.weight.shape
        size = readers[0].hidden_size
        tied = embedding.table.weight if tie_weights else None
        self.projections = nn.ModuleList(
            Linear(size, width) if tie_weights and size != width else nn.Identity() for _ in readers
        )
        self.softmax = make_softmax(width if tie_weights else size, vocab_size, cutoffs, tied)

    def begin(self, size: int, reader: int = 0) -> State:
        """Zero states of one reader."""
        state: State = self.readers[reader].begin(self.embedding.table.weight, size)  # type: ignore[operator]
        return state

    def forward(self, symbols: Tensor, state: State, reader: int = 0) -> tuple[Tensor, State]:
        """float[B, T, D] states of one reader for the softmax, and its state carried on."""
        words = self.embedding(symbols)  # [B, T, E]
        layers, state = self.readers[reader](words, state)
        states = self.dropout(layers[-1])  # [B, T, H]
        return self.projections[reader](states), state  # [B, T, E] if tied


class RecurrentLanguageModel(LitLanguageModel):
    """Recurrent network that predicts the next word from its state.

    A subclass sets the cell; `layers.recurrent.Recurrent` has the equations.

    A `backward` model reads texts from their end, and predicts the word before. Its training
    reverses each batch of the stream. As the batch after it in that order has not been seen yet,
    its state begins anew in each batch; so it learns from contexts of at most one batch's window,
    whereas in evaluation it reads whole texts like the forward one. `both` is a network of each
    direction with one embedding and one softmax; its loss and ln p are the means of the two, and
    `advance` reads forward.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: E, width of a word vector.
        hidden_size: H, width of the state.
        num_layers: number of stacked recurrent layers.
        direction: `forward`, `backward` or `both`.
        cutoffs: edges of the clusters of the adaptive softmax, see `make_softmax`; null: full.
        tie_weights: predict with the rows of the embedding (Press & Wolf 2017); states of another
            width than E are projected.
        dropout: dropout of whole dimensions of a row on the last layer's states.
        layer_dropout: the same between two layers.
        weight_drop: dropout of recurrent weights, with one mask for a batch (Merity et al. 2018).
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        embedding_dropout: dropout of whole dimensions of a row on the word vectors.
        **kwargs: arguments of `LitLanguageModel`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: RecurrentLMNet
    family: ClassVar[str] = "recurrent"
    cell: ClassVar[Cell]

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 256,
        hidden_size: int = 256,
        num_layers: int = 1,
        direction: Direction = "forward",
        cutoffs: list[int] | None = [1_000, 4_000, 12_000],  # noqa: B006  # never changed
        tie_weights: bool = True,
        dropout: float = 0.0,
        layer_dropout: float = 0.0,
        weight_drop: float = 0.0,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if direction not in get_args(Direction):
            raise ValueError(f"direction is {direction!r}; choose one of {get_args(Direction)}")
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; a recurrent network has at least 1")
        super().__init__(vocab_size=vocab_size, **kwargs)
        self.direction = direction
        sizes = embedding_dim, hidden_size, num_layers
        self.net = RecurrentLMNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            [
                Reader(self.cell, *sizes, layer_dropout, weight_drop)
                for _ in range(2 if direction == "both" else 1)
            ],
            dropout,
            cutoffs,
            tie_weights,
        )

    def stream_loss(self, batch: StreamBatch, state: State) -> tuple[Tensor, State]:
        """Mean loss of a batch of the stream, of both directions if there are two."""
        if self.direction == "forward":
            return super().stream_loss(batch, state)
        symbols = torch.cat([batch.inputs, batch.targets[:, -1:]], dim=1).flip(1)
        reader = len(self.net.readers) - 1
        fresh = self.net.begin(len(symbols), reader)
        states, _ = self.net(symbols[:, :-1], fresh, reader)
        losses = self.net.softmax.losses(states.flatten(0, 1), symbols[:, 1:].flatten())
        if self.direction == "backward":
            return losses.mean(), fresh
        forward, carried = super().stream_loss(batch, state)
        return (forward + losses.mean()) / 2, carried

    def score(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float64[B] ln p of whole texts; of both directions the mean."""
        scores = []
        for number in range(len(self.net.readers)):
            read, first = partial(self.net, reader=number), self.net.begin(len(tokens), number)
            backward = self.direction == "backward" or number == 1
            places = reversed_positions(lengths, tokens.shape[1])
            order = tokens.gather(1, places) if backward else tokens
            scores.append(self._score(read, first, order, lengths))
        return torch.stack(scores).mean(dim=0)
