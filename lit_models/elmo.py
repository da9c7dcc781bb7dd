"""ELMo: a language model of two directions whose layers are features of words."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.store.train_view import TrainView
from lit_models.language.model import BOUNDARY, Direction
from lit_models.language.recurrent import RecurrentLanguageModel
from lit_models.layers.recurrence import reversed_positions
from lit_models.layers.recurrent import Cell, reverse


class ELMo(RecurrentLanguageModel):
    """Peters et al. 2018, "Deep Contextualized Word Representations", over words.

    ln p = ½ Σ_t (ln p(w_t | w_1 … w_{t-1}) + ln p(w_t | w_{t+1} … w_T)), by LSTMs of L layers for
    each direction, with one embedding and one softmax. The L + 1 layers of word t are
    h_{t,0} = [x_t; x_t] and h_{t,j} = [→h_{t,j}; ←h_{t,j}]; a classifier mixes them
    (`ElmoEmbedding`). The paper's embedding reads characters, this one looks up words; its layers
    have residual connections and projections, these have none.
    Shapes: symbols [B, T] → words [B, T, 256] → states [B, T, 256] of each layer and direction →
    layers [B, T, 512] of words, log-probabilities [B, T, V].
    At the default size 9,816,115 parameters: 30,000 × 256 embeddings, which are the output's
    rows too; 526,336 in each of 2 × 2 LSTMs; 30,000 output biases; 3 × 257 clusters.

    Args:
        embedding_dim: E, width of a word vector.
        hidden_size: H = E, so that all layers have one width.
        num_layers: L.
        direction: `both`.
        **kwargs: arguments of `RecurrentLanguageModel`.

    Raises:
        ValueError: another direction, or a setting outside its range.
    """

    cell: ClassVar[Cell] = "lstm"
    vocabulary: Tensor
    """uint8[32], hash of the words that the embedding has rows for; zeros before training."""

    def __init__(
        self,
        *,
        embedding_dim: int = 256,
        hidden_size: int = 256,
        num_layers: int = 2,
        direction: Direction = "both",
        **kwargs: Any,
    ) -> None:
        if direction != "both":
            raise ValueError(f"direction is {direction!r}; ELMo reads in 'both'")
        if hidden_size != embedding_dim:
            raise ValueError(
                f"hidden_size is {hidden_size} and embedding_dim {embedding_dim}; ELMo mixes the "
                "layers of both, so give them the same width"
            )
        super().__init__(
            embedding_dim=embedding_dim,
            hidden_size=hidden_size,
            num_layers=num_layers,
            direction=direction,
            **kwargs,
        )
        self.register_buffer("vocabulary", torch.zeros(32, dtype=torch.uint8))
        self.width, self.num_features = 2 * hidden_size, num_layers + 1

    def prepare(self, view: TrainView) -> None:
        """Note the words, so that a classifier with others can be refused."""
        self.vocabulary.copy_(words_hash(view.vocabulary))

    def layers(self, tokens: Tensor, lengths: Tensor) -> list[Tensor]:
        """L + 1 layers of the words, float[B, T, 2H]; past a row's length: garbage.

        Args:
            tokens: int64[B, T]; each text is read from a boundary before it, or after it.
            lengths: int64[B].
        """
        order = reversed_positions(lengths, tokens.shape[1])
        read = list[list[Tensor]]()
        for number, row in enumerate((tokens, tokens.gather(1, order))):
            symbols = F.pad(row, (1, 0), value=BOUNDARY)  # [B, T + 1]
            words = self.net.embedding(symbols)
            states, _ = self.net.readers[number](words, self.net.begin(len(tokens), number))
            read.append([layer[:, 1:] for layer in (words, *states)])
        forward, backward = read
        return [
            torch.cat([one, reverse(other.contiguous(), lengths)], dim=2)
            for one, other in zip(forward, backward, strict=True)
        ]


def words_hash(words: Sequence[str]) -> Tensor:
    """uint8[32] hash of a vocabulary in its order."""
    return torch.tensor(list(sha256("\n".join(words).encode()).digest()), dtype=torch.uint8)
