"""Binary Tree-LSTM that builds its own trees, many sentences at once."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.linear import Linear
from lit_models.layers.sentences import Sentences


class GumbelTreeLSTM(nn.Module):
    """Merges the best pair of neighbours of a sentence until one node is left (Choi et al. 2018).

    Leaf of a word x:  [h; c] = W_leaf x + b.
    Parent of two nodes:  i, f_l, f_r, o = σ, and g = tanh, of the blocks of W [h_l; h_r] + b;
    c = f_l ⊙ c_l + f_r ⊙ c_r + i ⊙ g;  h = o ⊙ tanh(c).
    Each pair of neighbours is a candidate, with the score q · h of its parent. In evaluation the
    candidate of the highest score replaces its pair; of equal ones the leftmost. In training
    p = softmax((q · h + Gumbel noise) / temperature) and the highest p replaces it; the gradient is
    that of Σ_k p_k [h_k; c_k] with respect to p, and of the chosen candidate with respect to [h; c]
    (the straight-through estimator).

    A merge changes the two candidates beside it and no other, so that a sentence of n words takes
    3n compositions, where computing every candidate in every step would take n² / 2. Unlike the
    paper's, gradients therefore reach p through the new parent alone, and not through the nodes
    that move up by one place.

    Sentences of n nodes join when those of more words have n nodes left: there is no padding.

    Args:
        input_size: width of a word vector.
        hidden_size: D, width of h and of c.
        temperature: of the softmax in training.

    Attributes:
        discontinuous: the result jumps where another tree is chosen, so that no path of gradients
            leads from one text to another.

    Raises:
        ValueError: a hidden size below 1, or a temperature that is not above 0.
    """

    discontinuous: ClassVar[bool] = True

    def __init__(self, input_size: int, hidden_size: int, temperature: float) -> None:
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"hidden_size is {hidden_size}; it must be at least 1")
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; it must be above 0")
        self.hidden_size, self.temperature = hidden_size, temperature
        self.leaf = Linear(input_size, 2 * hidden_size)
        self.merge = Linear(2 * hidden_size, 5 * hidden_size)
        self.query = nn.Parameter(torch.empty(hidden_size))
        nn.init.orthogonal_(self.merge.weight)
        nn.init.zeros_(self.merge.bias)
        nn.init.ones_(self.merge.bias[hidden_size : 3 * hidden_size])  # of f_l, f_r: remember
        # Scores about as large as the noise: among smaller ones training sees trees at random, and
        # evaluation others.
        nn.init.normal_(self.query, std=0.3)

    def forward(self, words: Tensor, sentences: Sentences) -> Tensor:
        """float[S, D] h of the root of each sentence, from float[B, T, E] word vectors."""
        order = sentences.lengths.argsort(descending=True, stable=True)  # [S]
        sizes = sentences.lengths[order]
        leaves = self.leaf(_words_of(words, sentences.starts[order], sizes))  # [N, 2D], no padding
        # Pairs across two sentences among them, which are few.
        pairs = F.pad(self.parents(leaves[:-1], leaves[1:]), (0, 0, 0, 1))  # [N, 2D]
        counts = torch.bincount(sizes).tolist()  # of sentences, by their number of words
        shapes = [(count, size, leaves.shape[1]) for size, count in enumerate(counts)][:0:-1]
        parts = [count * size for count, size, _ in shapes]
        # One split for all: its gradient is one concatenation.
        views = zip(shapes, leaves.split(parts), pairs.split(parts), strict=True)
        joining = [(words.view(shape), both.view(shape)[:, :-1]) for shape, words, both in views]
        nodes, candidates = joining[0]  # of the longest sentences
        for more_nodes, more_candidates in joining[1:]:
            nodes, candidates = self._merged(nodes, candidates)
            nodes = torch.cat([nodes, more_nodes])  # [R, M, 2D]
            candidates = torch.cat([candidates, more_candidates])  # [R, M - 1, 2D]
        return F.embedding(order.argsort(), nodes[:, 0, : self.hidden_size])

    def parents(self, left: Tensor, right: Tensor) -> Tensor:
        """[N, 2D] parents [h; c] of left and right nodes [N, 2D]."""
        size = self.hidden_size
        h = torch.cat([left[:, :size], right[:, :size]], dim=1)
        i, f_left, f_right, o, g = self.merge(h).split(size, dim=1)
        c = f_left.sigmoid() * left[:, size:] + f_right.sigmoid() * right[:, size:]
        c = c + i.sigmoid() * g.tanh()
        return torch.cat([o.sigmoid() * c.tanh(), c], dim=1)

    def _merged(self, nodes: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """One merge in each of R sentences.

        Args:
            nodes: [R, M, 2D].
            candidates: [R, M - 1, 2D].

        Returns:
            [R, M - 1, 2D] nodes and [R, M - 2, 2D] candidates.
        """
        rows, left, width = candidates.shape  # R, M - 1, 2D
        scores = candidates[:, :, : self.hidden_size] @ self.query  # [R, M - 1]
        row = torch.arange(rows, device=nodes.device)
        if self.training:
            noise = -torch.empty_like(scores).exponential_().log()
            soft = ((scores + noise) / self.temperature).softmax(dim=1)
            place = soft.argmax(dim=1)  # [R]
        else:
            place = leftmost(scores)
        flat = candidates.reshape(-1, width)
        parent = F.embedding(row * left + place, flat)  # [R, 2D]
        if self.training:  # adds 0, with the gradient of the softmax
            straight = (soft - soft.detach())[:, None].to(candidates.dtype)
            parent = parent + (straight @ candidates.detach()).squeeze(1)
        nodes = _replaced(nodes, place, {0: parent})
        if left == 1:
            return nodes, candidates[:, :0]
        flat_nodes = nodes.reshape(-1, width)
        before = F.embedding(row * left + (place - 1).clamp(min=0), flat_nodes)
        after = F.embedding(row * left + (place + 1).clamp(max=left - 1), flat_nodes)
        both = self.parents(torch.cat([before, parent]), torch.cat([parent, after]))  # [2R, 2D]
        pairs = dict(zip((-1, 0), both.split(rows), strict=True))
        return nodes, _replaced(candidates, place, pairs)


def leftmost(scores: Tensor) -> Tensor:
    """int64[R] place of the highest score in each row of float[R, M], the leftmost of equal ones.

    Scores of equal pairs may differ in their last digits, as matrix products round by the place of
    a row in the batch; the choice must not.
    """
    best = scores.max(dim=1, keepdim=True).values
    margin = 1_000 * torch.finfo(scores.dtype).eps * (1 + best.abs())
    return (scores >= best - margin).int().argmax(dim=1)


def _replaced(states: Tensor, place: Tensor, new: dict[int, Tensor]) -> Tensor:
    """[R, M - 1, W] rows without the state at a place, and others at some places beside it.

    Args:
        states: [R, M, W].
        place: int64[R].
        new: [R, W] states by their distance from the place, after the removal.
    """
    rows, size, width = states.shape
    row = torch.arange(rows, device=states.device)[:, None]
    column = torch.arange(size - 1, device=states.device)
    index = row * size + column + (column >= place[:, None])  # [R, M - 1]
    for number, distance in enumerate(new):
        at = column == place[:, None] + distance
        index = torch.where(at, rows * (size + number) + row, index)
    # F.embedding: the gradient of x[index] is slow on a CPU.
    return F.embedding(index, torch.cat([states.reshape(-1, width), *new.values()]))


def _words_of(words: Tensor, starts: Tensor, sizes: Tensor) -> Tensor:
    """float[N, E] words of sentences, one sentence after another, from float[B, T, E]."""
    begins = sizes.cumsum(dim=0) - sizes
    shift = (starts - begins).repeat_interleave(sizes)
    places = shift + torch.arange(len(shift), device=words.device)
    return F.embedding(places, words.flatten(0, 1))
