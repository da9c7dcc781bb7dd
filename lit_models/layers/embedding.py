"""Word vectors with the two dropouts that fit them: of whole words, and of dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lit_models.layers.dropout import TextDropout


class WordEmbedding(nn.Module):
    """Looks tokens up; in training, leaves whole words and whole dimensions out.

    Both as Gal & Ghahramani 2016 do: a dropped word is dropped wherever it stands in the batch, a
    dropped dimension is dropped at every position of a text, and what is left is scaled up. One
    mask per text also spares drawing a random number for each value, which is slow on a CPU.

    Args:
        vocab_size: V, rows of the table.
        embedding_dim: E.
        word_dropout: share of the vocabulary left out of a batch.
        dropout: share of the dimensions set to zero, drawn for each text.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, word_dropout: float, dropout: float
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, embedding_dim)
        nn.init.normal_(self.table.weight, std=0.1)
        self.word_dropout = word_dropout
        self.dropout = TextDropout(dropout)

    def start_from(self, vectors: Tensor) -> None:
        """Puts given vectors, float[N, E], in place of the first N ≤ V random ones.

        Raises:
            ValueError: they are too many, or of another width.
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

    def forward(self, tokens: Tensor) -> Tensor:
        """float[B, T, E] from int64[B, T]."""
        words: Tensor = self.table(tokens)
        if self.training and self.word_dropout:
            kept = torch.rand(self.table.num_embeddings, device=tokens.device) >= self.word_dropout
            scale = kept.to(words.dtype) / (1 - self.word_dropout)  # [V]
            # In place: fresh memory costs a CPU more than the product.
            words = words.mul_(scale[tokens][:, :, None])
        dropped: Tensor = self.dropout(words)
        return dropped
