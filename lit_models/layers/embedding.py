"""Word embeddings, with dropout of whole words and of whole dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lit_models.layers.dropout import TextDropout


class WordEmbedding(nn.Module):
    """Embedding look-up with two kinds of dropout in training (Gal & Ghahramani 2016).

    A dropped word is zero wherever it occurs in the batch, and a dropped dimension at every
    position of a text; the remaining values are scaled up. One mask per text also avoids drawing a
    random number for each value, which is slow on a CPU.

    Args:
        vocab_size: V, rows of the table.
        embedding_dim: E.
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        dropout: probability of dropping a dimension of a text.

    Attributes:
        width: number of dimensions of what `forward` returns.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, word_dropout: float, dropout: float
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, embedding_dim)
        self.width = embedding_dim
        nn.init.normal_(self.table.weight, std=0.1)
        self.word_dropout = word_dropout
        self.dropout = TextDropout(dropout)

    def start_from(self, vectors: Tensor) -> None:
        """Replace the first N ≤ V rows of the table by given vectors, float[N, E].

        Raises:
            ValueError: too many vectors, or vectors of another width.
        """
        (rows, width), table = vectors.shape, self.table.weight
        if rows > table.shape[0] or width != table.shape[1]:
            raise ValueError(
                f"there are {rows:,} word vectors of width {width}, and the embedding is "
                f"{table.shape[0]:,} × {table.shape[1]}; give --model.embedding_dim and the dim of "
                "data.vectors the same width"
            )
        with torch.no_grad():
            table[:rows] = vectors

    def check_vocabulary(self, words: Sequence[str]) -> None:
        """Raise a ValueError if the embedding is made for other words than those of the corpus."""

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """float[B, T, E] from int64[B, T]; `lengths` are for embeddings that read whole texts."""
        words: Tensor = self.table(tokens)
        if self.training and self.word_dropout:
            mask = torch.rand(self.table.num_embeddings, device=tokens.device) >= self.word_dropout
            scale = mask.to(words.dtype) / (1 - self.word_dropout)  # [V]
            # In place: on a CPU allocating memory costs more than the product.
            words = words.mul_(scale[tokens][:, :, None])
        dropped: Tensor = self.dropout(words)
        return dropped


def initialize_embeddings(module: nn.Module, vectors: Tensor, trained: bool) -> list[Tensor]:
    """Start every `WordEmbedding` of a module from given vectors, float[N, E], trained or frozen.

    Frozen ones, of a language model in the module, stay as they are.

    Returns:
        The embeddings' tables.

    Raises:
        ValueError: no `WordEmbedding`, or vectors that do not fit into one.
    """
    embeddings = [
        m for m in module.modules() if isinstance(m, WordEmbedding) and m.table.weight.requires_grad
    ]
    if not embeddings:
        raise ValueError(
            f"data.vectors is set, and {type(module).__name__} has no layer that starts from "
            "word vectors; set --data.vectors null"
        )
    for embedding in embeddings:
        embedding.start_from(vectors)
        embedding.table.weight.requires_grad_(trained)
    return [embedding.table.weight for embedding in embeddings]
