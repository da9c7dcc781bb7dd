"""Child-Sum Tree-LSTM over many trees at once, leaves first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.linear import Linear


class ChildSumTreeLSTM(nn.Module):
    """A state for each word of a tree, from its vector and its children's (Tai et al. 2015).

    h̃_j = Σ_k h_k over the children k of word j;
    i, o = σ and u = tanh of the blocks of W x_j + U h̃_j + b;  f_jk = σ(W_f x_j + U_f h_k + b_f);
    c_j = i ⊙ u + Σ_k f_jk ⊙ c_k;  h_j = o ⊙ tanh(c_j).
    All words of one height are computed together: first the leaves of all trees, last the root of
    the highest one.

    Args:
        input_size: width of a word vector.
        hidden_size: D, width of h and of c.

    Raises:
        ValueError: a hidden size below 1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"hidden_size is {hidden_size}; it must be at least 1")
        self.hidden_size = hidden_size
        self.of_word = Linear(input_size, 4 * hidden_size)  # W and W_f: of i, o, u, f
        self.of_children = nn.Linear(hidden_size, 3 * hidden_size, bias=False)  # U
        self.of_child = nn.Linear(hidden_size, hidden_size, bias=False)  # U_f
        nn.init.zeros_(self.of_word.bias)
        nn.init.ones_(self.of_word.bias[3 * hidden_size :])  # of f: remember

    def forward(self, words: Tensor, heads: Tensor) -> Tensor:
        """float[N, D] h of each word, those of all trees together.

        Args:
            words: float[N, E].
            heads: int64[N], row of each word's head; -1 for a root.

        Raises:
            ValueError: heads that are no trees.
        """
        blocks = self.of_word(words)  # [N, 4D]
        of_word, of_head = blocks.split([3 * self.hidden_size, self.hidden_size], dim=1)
        sums = blocks.new_zeros(len(words), 2 * self.hidden_size)  # h̃ and Σ f ⊙ c
        states, order = [], []
        for row in by_height(heads):
            h_sum, c_sum = F.embedding(row, sums).chunk(2, dim=1)
            i, o, u = (F.embedding(row, of_word) + self.of_children(h_sum)).chunk(3, dim=1)
            c = i.sigmoid() * u.tanh() + c_sum
            h = o.sigmoid() * c.tanh()
            states.append(h)
            order.append(row)
            child = (heads[row] >= 0).nonzero().squeeze(1)  # those that have a head
            head, h, c = heads[row][child], h[child], c[child]
            f = (F.embedding(head, of_head) + self.of_child(h)).sigmoid()
            sums = sums.index_add(0, head, torch.cat([h, f * c], dim=1).to(sums.dtype))
        return F.embedding(torch.cat(order).argsort(), torch.cat(states))


def by_height(heads: Tensor) -> list[Tensor]:
    """Rows of the words of height 0, 1, …: of leaves, of words whose children are leaves, ….

    Args:
        heads: int64[N], row of each word's head; -1 for a root.

    Raises:
        ValueError: heads that are no trees.
    """
    heights = torch.zeros_like(heads)
    child = (heads >= 0).nonzero().squeeze(1)
    for _ in range(len(heads) + 1):
        higher = heights.scatter_reduce(0, heads[child], heights[child] + 1, "amax")
        if torch.equal(higher, heights):
            groups = heights.argsort(stable=True).split(torch.bincount(heights).tolist())
            return list(groups)
        heights = higher
    raise ValueError(f"the heads of {len(heads)} words have a cycle; give trees")
