"""Output layers of word vectors: negative sampling and hierarchical softmax."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.language.huffman import huffman_codes


class NegativeSampling(nn.Module):
    """Tell the word that occurs from words drawn at random (Mikolov et al. 2013b, equation 4).

    L = -ln σ(h · u_o) - Σ_k ln σ(-h · u_k), with the k-th of K words drawn by P(w) ∝ C(w)^0.75. A
    drawn word that is o itself does not count.

    Args:
        counts: int64[V], C.
        dim: d, width of h.
        negative: K.
    """

    _POWER = 0.75

    def __init__(self, counts: np.ndarray, dim: int, negative: int) -> None:
        super().__init__()
        self.negative = negative
        self.words = nn.Embedding(len(counts), dim, sparse=True)  # u
        nn.init.zeros_(self.words.weight)
        weights = counts.astype(np.float64) ** self._POWER
        cumulative = torch.from_numpy(np.cumsum(weights) / weights.sum())
        self.register_buffer("cumulative", cumulative, persistent=False)
        self.cumulative: Tensor

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """L summed over a batch, with words drawn anew."""
        draws = torch.rand(len(targets), self.negative, dtype=torch.float64)
        return self.loss(hidden, targets, torch.searchsorted(self.cumulative[:-1], draws))

    def loss(self, hidden: Tensor, targets: Tensor, drawn: Tensor) -> Tensor:
        """L summed over a batch: float[B, d], int64[B] words that occur, int64[B, K] drawn ones."""
        words = torch.cat([targets[:, None], drawn], dim=1)  # [B, 1 + K]
        logits = torch.bmm(self.words(words), hidden[:, :, None]).squeeze(2)
        losses = F.softplus(torch.cat([-logits[:, :1], logits[:, 1:]], dim=1))  # -ln σ(±logit)
        counted = words != targets[:, None]
        counted[:, 0] = True
        return (losses * counted).sum()


class HierarchicalSoftmax(nn.Module):
    """Predict the turns on the way to a word in a Huffman tree (Morin & Bengio 2005).

    p(w | h) = Π_n σ(±h · u_n) over the inner nodes of the word's path, + at a left turn. The
    probabilities of all words sum to 1, and a word costs as many products as its code has bits.

    Args:
        counts: int64[V], counts of the words.
        dim: d, width of h.
    """

    def __init__(self, counts: np.ndarray, dim: int) -> None:
        super().__init__()
        codes = huffman_codes(counts)
        self.nodes = nn.Embedding(len(counts) - 1, dim, sparse=True)  # u
        nn.init.zeros_(self.nodes.weight)
        inside = codes.bits >= 0
        arrays = {
            "path": codes.nodes[inside].astype(np.int64),  # all paths, one after the other
            "signs": 2.0 * codes.bits[inside].astype(np.float32) - 1,  # -1 left, 1 right
            "lengths": codes.lengths,
            "starts": np.cumsum(codes.lengths) - codes.lengths,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.path: Tensor
        self.signs: Tensor
        self.lengths: Tensor
        self.starts: Tensor

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """-ln p summed over a batch: float[B, d] and int64[B] words."""
        lengths = self.lengths[targets]
        row = torch.repeat_interleave(torch.arange(len(targets)), lengths)  # of each turn
        first = lengths.cumsum(0) - lengths
        turns = torch.arange(len(row)) + (self.starts[targets] - first)[row]
        logits = (hidden[row] * self.nodes(self.path[turns])).sum(dim=1)
        return F.softplus(logits * self.signs[turns]).sum()
