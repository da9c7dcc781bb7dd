"""Regions, short runs of words: weights of each word at each place, and embeddings of regions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import mask_of, zero_padding


class WordRegions(nn.Module):
    """A convolution over one-hot words: one row of weights for each word at each place of a region.

    c[t] = Σ_i W_i[w_{t-b+i}] with i = 0 … size - 1 and b = (size - 1) // 2, over the places inside
    the text: a convolution of one-hot vectors, without the multiplications by 0.

    Args:
        vocab_size: V.
        num_filters: F.
        size: words of a region.
        word_dropout: probability of dropping a word of the vocabulary from a batch, in training;
            the rest is scaled up.
        sparse: give the table sparse gradients.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(
        self, vocab_size: int, num_filters: int, size: int, word_dropout: float, *, sparse: bool
    ) -> None:
        check_size(size)
        super().__init__()
        self.vocab_size, self.size, self.sparse = vocab_size, size, sparse
        # Row V · i + w holds the weights of word w at place i.
        self.table = nn.Embedding(size * vocab_size, num_filters)
        nn.init.normal_(self.table.weight, std=0.01)
        self.word_dropout = word_dropout

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, F] from int64[B, T] and int64[B]; past a row's length: garbage."""
        (rows, width), before = tokens.shape, (self.size - 1) // 2
        mask = mask_of(lengths, width)
        if self.training and self.word_dropout:
            dropped = torch.rand(self.vocab_size, device=tokens.device) < self.word_dropout
            mask = mask & ~dropped[tokens]
        words = torch.where(mask, tokens, -1)
        words = F.pad(words, (before, self.size - 1 - before), value=-1)
        words = words.unfold(1, self.size, 1).flatten(0, 1)  # [B · T, size]
        present = words >= 0
        places = self.vocab_size * torch.arange(self.size, device=tokens.device)
        counts = present.sum(dim=1)
        starts = counts.cumsum(dim=0) - counts
        sums = F.embedding_bag(
            (words + places)[present], self.table.weight, starts, mode="sum", sparse=self.sparse
        )
        if self.training and self.word_dropout:
            sums = sums / (1 - self.word_dropout)
        return sums.view(rows, width, sums.shape[1])


class RegionEmbedding(nn.Module):
    """Embedding of the region around each word, u[t] = ReLU(Σ_i v(w_{t-b+i})), b = (size - 1) // 2.

    v are given vectors of words (`lit_models.region_vectors.RegionVectors`). They are not trained,
    and they are saved with the network.

    Args:
        vocab_size: V.
        width: d, of a vector.
        size: words of a region.

    Raises:
        ValueError: a size below 1.
    """

    table: Tensor

    def __init__(self, vocab_size: int, width: int, size: int) -> None:
        check_size(size)
        super().__init__()
        self.size = size
        self.register_buffer("table", torch.zeros(vocab_size, width))

    def start_from(self, vectors: Tensor) -> None:
        """Set the vectors of the first N ≤ V words, float[N, d]; the others have zero vectors.

        Raises:
            ValueError: too many vectors, or vectors of another width.
        """
        (rows, width), table = vectors.shape, self.table
        if rows > table.shape[0] or width != table.shape[1]:
            raise ValueError(
                f"there are {rows:,} word vectors of width {width}, and the region embedding is "
                f"{table.shape[0]:,} × {table.shape[1]}; give --model.embedding_dim and the dim of "
                "data.vectors the same width"
            )
        table.zero_()
        table[:rows] = vectors

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, d] from int64[B, T] and int64[B]; past a row's length: garbage."""
        width, before = tokens.shape[1], (self.size - 1) // 2
        words = zero_padding(F.embedding(tokens, self.table), lengths)  # [B, T, d]
        words = F.pad(words, (0, 0, before, self.size - 1 - before))
        total = words[:, :width]
        for place in range(1, self.size):
            total = total + words[:, place : place + width]
        return total.relu()


def check_size(size: int) -> None:
    """Raise a ValueError if a region of `size` words is empty."""
    if size < 1:
        raise ValueError(f"a region of {size} words is empty; choose a size of 1 or more")
