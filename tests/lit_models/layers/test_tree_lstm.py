"""Trees of sentences against a plain recursive reference, in value and in gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lit_models.layers.sentences import Sentences
from lit_models.layers.tree_lstm import GumbelTreeLSTM, leftmost

WIDTH, SIZE = 6, 5
Choose = Callable[[Tensor], Tensor]  # float[M - 1] scores → float[M - 1] weights, one of them 1


def small(temperature: float = 1.0) -> GumbelTreeLSTM:
    torch.manual_seed(0)
    tree = GumbelTreeLSTM(WIDTH, SIZE, temperature).double()
    for parameter in tree.parameters():
        nn.init.normal_(parameter, std=0.7)
    return tree


def parent(tree: GumbelTreeLSTM, left: Tensor, right: Tensor) -> Tensor:
    """[h; c] of two nodes [h; c] by the written equations."""
    (h_l, c_l), (h_r, c_r) = left.split(SIZE), right.split(SIZE)
    blocks = zip(tree.merge.weight.split(SIZE), tree.merge.bias.split(SIZE), strict=True)
    i, f_l, f_r, o, g = (W @ torch.cat([h_l, h_r]) + b for W, b in blocks)
    c = torch.sigmoid(f_l) * c_l + torch.sigmoid(f_r) * c_r + torch.sigmoid(i) * torch.tanh(g)
    return torch.cat([torch.sigmoid(o) * torch.tanh(c), c])


def root(tree: GumbelTreeLSTM, nodes: list[Tensor], choose: Choose) -> Tensor:
    """[h; c] of the root over nodes [h; c]: merge one pair, then those that are left."""
    if len(nodes) == 1:
        return nodes[0]
    pairs = torch.stack([parent(tree, *nodes[k : k + 2]) for k in range(len(nodes) - 1)])
    weights = choose(pairs[:, :SIZE] @ tree.query)
    place = int(weights.argmax())
    return root(tree, [*nodes[:place], weights @ pairs, *nodes[place + 2 :]], choose)


def reference(tree: GumbelTreeLSTM, words: Tensor, choose: Choose) -> Tensor:
    """h of the root over float[n, E] words."""
    return root(tree, list(words @ tree.leaf.weight.T + tree.leaf.bias), choose)[:SIZE]


def best(scores: Tensor) -> Tensor:
    return torch.eye(len(scores)).double()[int(scores.argmax())]


def sentences_of(texts: list[list[int]]) -> Sentences:
    """Sentences of given sizes, each text in a row of its own, which is as long as the longest."""
    width = max(map(sum, texts))
    starts = [r * width + sum(row[:n]) for r, row in enumerate(texts) for n in range(len(row))]
    sizes = [size for row in texts for size in row]
    counts = torch.tensor([len(row) for row in texts])
    return Sentences(torch.tensor(starts), torch.tensor(sizes), counts, torch.empty(0))


TEXTS = [[3, 1, 12], [1], [2, 2], [12, 5, 1, 7, 4], [30]]


@torch.no_grad()
def test_roots_are_those_of_the_recursive_reference() -> None:
    tree, sentences = small().eval(), sentences_of(TEXTS)
    words = torch.randn(len(TEXTS), 30, WIDTH).double()
    found = tree(words, sentences)
    flat = words.flatten(0, 1)
    for start, size, h in zip(sentences.starts, sentences.lengths, found, strict=True):
        expected = reference(tree, flat[start : start + size], best)
        assert torch.allclose(h, expected, atol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_training_has_the_values_and_gradients_of_the_reference(temperature: float) -> None:
    tree, words = small(temperature).train(), torch.randn(1, 9, WIDTH).double()
    target = torch.randn(SIZE).double()

    def straight_through(scores: Tensor) -> Tensor:
        noise = -torch.empty(1, len(scores)).double().exponential_().log()[0]
        soft = ((scores + noise) / temperature).softmax(dim=0)
        return best(soft) + soft - soft.detach()

    results = []
    for run in (
        lambda: tree(words, sentences_of([[9]]))[0],
        lambda: reference(tree, words[0], straight_through),
    ):
        torch.manual_seed(3)
        tree.zero_grad()
        h = run()
        (h @ target).backward()
        results.append([h.detach(), *(p.grad.clone() for p in tree.parameters())])  # type: ignore[union-attr]
    for found, expected in zip(*results, strict=True):
        assert torch.allclose(found, expected, atol=1e-10)
        assert found.abs().sum() > 0


def test_noise_draws_pairs_by_the_softmax_of_their_scores() -> None:
    tree = small().train()
    words = torch.randn(1, 3, WIDTH).double()
    leaves = words[0] @ tree.leaf.weight.T + tree.leaf.bias
    pairs = torch.stack([parent(tree, *leaves[k : k + 2]) for k in (0, 1)])
    expected = (pairs[:, :SIZE] @ tree.query).softmax(dim=0)[0].item()
    roots = [
        reference(tree, words[0], lambda s, k=k: torch.eye(2).double()[k] if len(s) == 2 else s**0)  # type: ignore[misc]
        for k in (0, 1)
    ]
    draws = 4_000
    with torch.no_grad():
        found = tree(words.expand(draws, 3, WIDTH), sentences_of([[3]] * draws))
    first = torch.isclose(found, roots[0], atol=1e-9).all(dim=1)
    second = torch.isclose(found, roots[1], atol=1e-9).all(dim=1)
    assert bool((first ^ second).all()) and 0.1 < expected < 0.9
    assert float(first.double().mean()) == pytest.approx(expected, abs=4 * 0.5 / draws**0.5)


def test_of_equal_scores_the_leftmost_is_chosen() -> None:
    near = 1 + 2e-15
    rows = [[1.0, near, 0.5], [0.0, 1.0, near], [-9.0, -5.0, -5.0]]
    scores = torch.tensor(rows, dtype=torch.float64)
    assert leftmost(scores).tolist() == [0, 1, 1]
    assert leftmost(torch.tensor([[1.0, 1.001]])).tolist() == [1]


@torch.no_grad()
def test_a_word_said_many_times_has_one_tree_wherever_it_is() -> None:
    tree = small().float().eval()
    alone = tree(torch.ones(1, 17, WIDTH), sentences_of([[17]]))
    many = tree(torch.ones(50, 40, WIDTH), sentences_of([[17, 3]] * 50))
    assert torch.allclose(many[::2], alone, atol=1e-6)


@torch.no_grad()
def test_other_sentences_change_nothing() -> None:
    tree, sentences = small().eval(), sentences_of(TEXTS)
    words = torch.randn(len(TEXTS), 30, WIDTH).double()
    expected = tree(words, sentences)
    wild = words.clone()
    wild[1:] = float("nan")
    assert torch.allclose(tree(wild, sentences)[:3], expected[:3], atol=1e-12)


@pytest.mark.parametrize(
    ("size", "temperature", "message"),
    [
        (0, 1.0, "hidden_size is 0; it must be at least 1"),
        (4, 0.0, r"temperature is 0\.0; it must be above 0"),
        (4, float("nan"), "temperature is nan; it must be above 0"),
    ],
)
def test_bad_settings_are_errors_with_their_value(
    size: int, temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GumbelTreeLSTM(3, size, temperature)
