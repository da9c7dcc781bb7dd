"""Huffman codes, hierarchical softmax and negative sampling against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_models.language.huffman import huffman_codes
from lit_models.language.word_outputs import HierarchicalSoftmax, NegativeSampling


def codes(counts: list[int]) -> list[str]:
    """Code of each word as a text of 0 and 1."""
    return [
        "".join(str(bit) for bit in row if bit >= 0) for row in huffman_codes(np.array(counts)).bits
    ]


def test_codes_are_those_worked_out_by_hand() -> None:
    # 1 + 1 = 2, then 2 + 3 = 5, then 5 + 6 = 11, the lower count on the left.
    assert codes([6, 3, 1, 1]) == ["1", "01", "000", "001"]
    found = huffman_codes(np.array([6, 3, 1, 1]))
    assert found.nodes.tolist() == [[2, 0, 0], [2, 1, 0], [2, 1, 0], [2, 1, 0]]
    assert found.lengths.tolist() == [1, 2, 3, 3]


@pytest.mark.parametrize("seed", range(3))
def test_no_code_begins_another_and_their_mean_length_is_near_the_entropy(seed: int) -> None:
    counts = np.random.default_rng(seed).zipf(1.3, 400).clip(max=10**9).astype(np.int64)
    every = sorted(codes(counts.tolist()))
    assert len(set(every)) == 400
    pairs = zip(every, every[1:], strict=False)
    assert not any(after.startswith(before) for before, after in pairs)
    shares = counts / counts.sum()
    entropy = -(shares * np.log2(shares)).sum()
    lengths = huffman_codes(counts).lengths
    assert entropy <= (shares * lengths).sum() <= entropy + 1
    assert np.sum(0.5 ** lengths.astype(float)) == pytest.approx(1), "every leaf is a word"


@pytest.mark.parametrize("count", [0, 1])
def test_a_tree_of_less_than_two_words_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"there are {count} words; a tree needs at least 2"):
        huffman_codes(np.ones(count, dtype=np.int64))


@pytest.mark.parametrize("words", [2, 3, 50])
def test_hierarchical_softmax_sums_to_one(words: int) -> None:
    torch.manual_seed(0)
    output = HierarchicalSoftmax(np.arange(1, words + 1), 4).double()
    torch.nn.init.normal_(output.nodes.weight)
    for hidden in torch.randn(5, 1, 4, dtype=torch.float64):
        losses = [output(hidden, torch.tensor([word])).item() for word in range(words)]
        assert np.exp(-np.array(losses)).sum() == pytest.approx(1, abs=1e-12)


def test_hierarchical_softmax_multiplies_the_turns_of_a_path() -> None:
    output = HierarchicalSoftmax(np.array([6, 3, 1, 1]), 2).double()
    nodes = np.array([[0.3, -1.0], [0.5, 0.2], [-0.7, 0.4]])
    output.nodes.weight.data = torch.from_numpy(nodes)
    hidden = np.array([[1.0, 2.0], [-0.5, 0.1]])
    # word 3 is 001: left at nodes 2 and 1, right at node 0; word 0 is 1: right at node 2
    sigma = 1 / (1 + np.exp(-hidden @ nodes.T))  # p(left)
    expected = -np.log(sigma[0, 2] * sigma[0, 1] * (1 - sigma[0, 0])) - np.log(1 - sigma[1, 2])
    found = output(torch.from_numpy(hidden), torch.tensor([3, 0]))
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_negative_sampling_and_its_gradients_are_those_worked_out_in_numpy() -> None:
    rng = np.random.default_rng(0)
    table, hidden = rng.normal(size=(5, 3)), rng.normal(size=(2, 3))
    targets, drawn = [1, 4], [[0, 3, 3], [2, 4, 0]]  # the 4 is the word itself and does not count
    loss, of_hidden, of_table = 0.0, np.zeros((2, 3)), np.zeros((5, 3))
    for row in range(2):
        terms = [(targets[row], 1.0)] + [(k, 0.0) for k in drawn[row] if k != targets[row]]
        for word, label in terms:
            sigma = 1 / (1 + np.exp(-hidden[row] @ table[word]))
            loss -= np.log(sigma if label else 1 - sigma)
            of_hidden[row] += (sigma - label) * table[word]
            of_table[word] += (sigma - label) * hidden[row]
    output = NegativeSampling(np.ones(5), 3, negative=3).double()
    output.words.weight.data = torch.from_numpy(table)
    given = torch.from_numpy(hidden).requires_grad_()
    found = output.loss(given, torch.tensor(targets), torch.tensor(drawn))
    found.backward()
    assert found.item() == pytest.approx(loss, abs=1e-12)
    gradient = output.words.weight.grad
    assert given.grad is not None and gradient is not None
    assert np.allclose(given.grad, of_hidden, atol=1e-12)
    assert np.allclose(gradient.to_dense(), of_table, atol=1e-12)


def test_words_are_drawn_by_the_three_quarters_power_of_their_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = np.array([1, 16, 81])  # 1, 8 and 27 at the power 3/4
    output, seen = NegativeSampling(counts, 2, negative=4), []
    monkeypatch.setattr(output, "loss", lambda hidden, targets, drawn: seen.append(drawn))
    torch.manual_seed(0)
    output(torch.zeros(20_000, 2), torch.zeros(20_000, dtype=torch.int64))
    shares = np.bincount(seen[0].ravel(), minlength=3) / 80_000
    assert np.allclose(shares, np.array([1, 8, 27]) / 36, atol=0.005)
