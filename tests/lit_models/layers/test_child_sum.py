"""Child-Sum Tree-LSTM against a plain recursive reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lit_models.layers.child_sum import ChildSumTreeLSTM, by_height

WIDTH, SIZE = 6, 5
# Two trees: 0 → 1 ← 2, 1 → 4, 3 → 4 (a root); a chain 7 → 6 → 5 (a root); and a word alone.
HEADS = [1, 4, 1, 4, -1, -1, 5, 6, -1]


def small() -> ChildSumTreeLSTM:
    torch.manual_seed(0)
    tree = ChildSumTreeLSTM(WIDTH, SIZE).double()
    for parameter in tree.parameters():
        nn.init.normal_(parameter, std=0.7)
    return tree


def state(tree: ChildSumTreeLSTM, words: Tensor, heads: list[int], j: int) -> tuple[Tensor, Tensor]:
    """h and c of word j by the written equations."""
    children = [state(tree, words, heads, k) for k, head in enumerate(heads) if head == j]
    W_i, W_o, W_u, W_f = tree.of_word.weight.split(SIZE)
    b_i, b_o, b_u, b_f = tree.of_word.bias.split(SIZE)
    U_i, U_o, U_u = tree.of_children.weight.split(SIZE)
    x, h_sum = words[j], sum((h for h, _ in children), torch.zeros(SIZE).double())
    i = torch.sigmoid(W_i @ x + U_i @ h_sum + b_i)
    o = torch.sigmoid(W_o @ x + U_o @ h_sum + b_o)
    u = torch.tanh(W_u @ x + U_u @ h_sum + b_u)
    c = i * u
    for h_k, c_k in children:
        c = c + torch.sigmoid(W_f @ x + tree.of_child.weight @ h_k + b_f) * c_k
    return o * torch.tanh(c), c


def random_trees(size: int) -> list[int]:
    """Heads of words in any order, some of them roots."""
    order = torch.randperm(size).tolist()
    heads = [-1] * size
    for place, word in enumerate(order[1:], start=1):
        above = int(torch.randint(-1, place, ()))
        heads[word] = order[above] if above >= 0 else -1
    return heads


@pytest.mark.parametrize("heads", [HEADS, [-1], [1, 2, 3, -1], None], ids=str)
def test_states_and_gradients_are_those_of_the_recursive_reference(heads: list[int] | None) -> None:
    tree = small()
    heads = heads or random_trees(40)
    words = torch.randn(len(heads), WIDTH).double()
    target = torch.randn(len(heads), SIZE).double()
    results = []
    for run in (
        lambda: tree(words, torch.tensor(heads)),
        lambda: torch.stack([state(tree, words, heads, j)[0] for j in range(len(heads))]),
    ):
        tree.zero_grad()
        h = run()
        (h * target).sum().backward()
        grads = [torch.zeros(1) if p.grad is None else p.grad.clone() for p in tree.parameters()]
        results.append([h.detach(), *grads])
    for found, expected in zip(*results, strict=True):
        assert torch.allclose(found, expected.expand_as(found), atol=1e-11)


def test_a_chain_of_first_children_is_an_lstm() -> None:
    tree, words = small(), torch.randn(7, WIDTH).double()
    heads = torch.tensor([*range(1, 7), -1])
    cell = nn.LSTMCell(WIDTH, SIZE).double()
    with torch.no_grad():
        i, o, u, f = tree.of_word.weight.split(SIZE)
        cell.weight_ih.copy_(torch.cat([i, f, u, o]))
        i, o, u, f = tree.of_word.bias.split(SIZE)
        cell.bias_ih.copy_(torch.cat([i, f, u, o]))
        cell.bias_hh.zero_()
        i, o, u = tree.of_children.weight.split(SIZE)
        cell.weight_hh.copy_(torch.cat([i, tree.of_child.weight, u, o]))
        found, given = tree(words, heads), None
        for x, h in zip(words, found, strict=True):
            given = cell(x[None], given)
            assert torch.allclose(h, given[0][0], atol=1e-12)


def test_leaves_come_first() -> None:
    groups = [group.tolist() for group in by_height(torch.tensor(HEADS))]
    assert groups == [[0, 2, 3, 7, 8], [1, 6], [4, 5]]


@pytest.mark.parametrize("heads", [[0], [1, 0], [-1, 2, 3, 1]])
def test_a_cycle_is_refused(heads: list[int]) -> None:
    with pytest.raises(ValueError, match=f"heads of {len(heads)} words have a cycle"):
        by_height(torch.tensor(heads))


def test_a_hidden_size_of_0_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_size is 0; it must be at least 1"):
        ChildSumTreeLSTM(3, 0)
