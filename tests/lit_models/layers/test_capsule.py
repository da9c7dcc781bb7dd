"""Routing against a case worked by hand and against loops; squash and margin loss by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lit_models.layers.capsule import (
    Capsules,
    LeakyCapsules,
    length_of,
    margin_loss,
    squash,
    to_unit_length,
)
from lit_models.layers.masking import mask_of


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def two_by_two(routing_iterations: int, keras_faults: bool = False) -> Capsules:
    """Capsule 1 hears (1, 0) and (0, 1), which partly agree; capsule 2 (1, 0) and (-1, 0)."""
    layer = Capsules(2, 2, 2, routing_iterations, keras_faults).double()
    layer.transform.data = torch.tensor([[[1, 0], [0, 1]], [[1, 0], [-1, 0]]]).double()
    return layer


WORDS = torch.eye(2, dtype=torch.float64)[None]
BOTH = torch.tensor([2])


def test_two_words_and_two_capsules_by_hand() -> None:
    # Round 1: every coupling 1/2, s_1 = (1/2, 1/2), |s_1|² = 1/2, s_2 = 0.
    first = (0.5 / 1.5) / math.sqrt(2)  # each part of v_1; v_2 = 0
    outputs, coupling = two_by_two(1)(WORDS, BOTH)
    assert torch.allclose(outputs, torch.tensor([[[first, first], [0, 0]]]).double())
    assert torch.allclose(coupling, torch.full((1, 2, 2), 0.5).double())
    # Round 2: both words agree with v_1 by `first`, with v_2 by 0.
    share = sigmoid(first)
    square = 2 * share**2
    second = square / (1 + square) / math.sqrt(2)
    outputs, coupling = two_by_two(2)(WORDS, BOTH)
    assert torch.allclose(outputs, torch.tensor([[[second, second], [0, 0]]]).double())
    assert torch.allclose(coupling, torch.tensor([[[share, 1 - share]] * 2]).double())
    # Round 3: agreements add up.
    _, coupling = two_by_two(3)(WORDS, BOTH)
    assert coupling[0, 0, 0].item() == pytest.approx(sigmoid(first + second))


def test_routing_with_the_keras_faults_has_unit_lengths_and_forgets() -> None:
    part = 1 / math.sqrt(2)
    outputs, coupling = two_by_two(3, keras_faults=True)(WORDS, BOTH)
    assert torch.allclose(outputs, torch.tensor([[[part, part], [0, 0]]]).double())
    assert coupling[0, 0, 0].item() == pytest.approx(sigmoid(part))  # not of 2 · part


def by_loops(layer: Capsules, words: Tensor) -> tuple[Tensor, Tensor]:
    """One text's routing, each capsule by itself."""
    count, rounds = len(layer.transform), layer.routing_iterations
    heard = [[u @ matrix for matrix in layer.transform] for u in words]
    b = [[0.0] * count for _ in words]
    for _ in range(rounds):
        c = []
        for row in b:
            total = sum(math.exp(x) for x in row)
            c.append([math.exp(x) / total for x in row])
        v = []
        for j in range(count):
            s = sum(c[i][j] * heard[i][j] for i in range(len(words)))
            norm = s.norm()
            v.append(s / norm if layer.keras_faults else norm**2 / (1 + norm**2) * s / norm)
        for i in range(len(words)):
            for j in range(count):
                agreement = (heard[i][j] @ v[j]).item()
                b[i][j] = agreement if layer.keras_faults else b[i][j] + agreement
    return torch.stack(v), torch.tensor(c)


@pytest.mark.parametrize("keras_faults", [False, True])
@pytest.mark.parametrize("filler", [0.0, 1e30, float("nan")])
def test_routing_is_that_of_plain_loops_and_padding_does_not_route(
    keras_faults: bool, filler: float
) -> None:
    torch.manual_seed(0)
    layer = Capsules(4, 3, 5, routing_iterations=4, keras_faults=keras_faults).double()
    lengths = torch.tensor([1, 3, 6])
    words = torch.randn(3, 6, 4).double()
    words[~mask_of(lengths, 6)] = filler
    with torch.no_grad():
        outputs, coupling = layer(words, lengths)
        for row, length in enumerate(lengths.tolist()):
            expected, shares = by_loops(layer, words[row, :length])
            assert torch.allclose(outputs[row], expected, atol=1e-9)
            assert torch.allclose(coupling[row, :length], shares.double(), atol=1e-6)
            assert (coupling[row, length:] == 0).all()


def test_squash_keeps_the_direction_and_brings_the_length_below_one() -> None:
    vector = torch.tensor([3.0, 4.0]).double()
    assert torch.allclose(squash(vector), 25 / 26 * torch.tensor([0.6, 0.8]).double())
    assert torch.allclose(to_unit_length(vector), torch.tensor([0.6, 0.8]).double())
    assert length_of(squash(vector)).item() == pytest.approx(25 / 26)


@pytest.mark.parametrize("function", [squash, to_unit_length, length_of])
def test_zero_has_a_finite_value_and_gradient(function: object) -> None:
    zero = torch.zeros(2, 3, requires_grad=True)
    found = function(zero)  # type: ignore[operator]
    found.sum().backward()
    assert found.abs().max() < 1e-5
    assert zero.grad is not None and zero.grad.isfinite().all()


def test_margin_loss_by_hand() -> None:
    lengths = torch.tensor([[0.5, 0.3, 0.05], [0.2, 0.95, 0.1]])
    # Row 0 wants class 0: 0.4² + 0.5 · 0.2²; row 1 wants class 1: 0 + 0.5 · 0.1².
    expected = ((0.16 + 0.02) + 0.005) / 2
    assert margin_loss(lengths, torch.tensor([0, 1])).item() == pytest.approx(expected)


def test_no_round_of_routing_is_an_error() -> None:
    with pytest.raises(ValueError, match="routing_iterations is 0; routing takes at least 1 round"):
        Capsules(2, 2, 2, routing_iterations=0)
    with pytest.raises(ValueError, match="routing_iterations is 0; routing takes at least 1 round"):
        LeakyCapsules(2, 2, 2, routing_iterations=0, num_children=1)


def leaky(routing_iterations: int) -> LeakyCapsules:
    layer = LeakyCapsules(2, 2, 2, routing_iterations, num_children=2).double()
    layer.transform.data = two_by_two(1).transform.data
    return layer


def test_leaky_routing_by_hand() -> None:
    there = torch.ones(1, 2, dtype=torch.bool)
    # Round 1: a third to each parent, a third to none; s_1 = (1/3, 1/3), |s_1|² = 2/9, s_2 = 0.
    first = (2 / 9) / (11 / 9) / math.sqrt(2)
    outputs, coupling = leaky(1)(WORDS, there)
    assert torch.allclose(outputs, torch.tensor([[[first, first], [0, 0]]]).double())
    assert torch.allclose(coupling, torch.full((1, 2, 2), 1 / 3).double())
    # Round 2: both children agree with v_1 by `first`, with v_2 by 0, with none by 0.
    share, other = math.exp(first) / (2 + math.exp(first)), 1 / (2 + math.exp(first))
    square = 2 * share**2
    second = square / (1 + square) / math.sqrt(2)
    outputs, coupling = leaky(2)(WORDS, there)
    assert torch.allclose(outputs, torch.tensor([[[second, second], [0, 0]]]).double())
    assert torch.allclose(coupling, torch.tensor([[[share, other]] * 2]).double())
    # A child of length 1/2 takes half a part, by its existence, of half a vector.
    outputs, coupling = leaky(1)(WORDS * torch.tensor([[[0.5], [1.0]]]).double(), there)
    assert torch.allclose(coupling, torch.tensor([[[1 / 6] * 2, [1 / 3] * 2]]).double())
    expected = squash(torch.tensor([1 / 12, 1 / 3]).double())
    assert torch.allclose(outputs[0, 0], expected)


def test_leaky_routing_is_that_of_plain_loops_and_absent_children_take_no_part() -> None:
    torch.manual_seed(0)
    layer = LeakyCapsules(4, 3, 5, routing_iterations=3, num_children=6).double()
    torch.nn.init.normal_(layer.bias)
    mask = mask_of(torch.tensor([1, 3, 6]), 6)
    children = torch.randn(3, 6, 4).double()
    with torch.no_grad():
        outputs, coupling = layer(children, mask)
        for row in range(3):
            us = children[row, mask[row]]
            pairs = list(zip(layer.transform, layer.bias, strict=True))
            heard = [[u @ W + b for W, b in pairs] for u in us]
            g = torch.zeros(len(us), 3).double()
            for _ in range(3):
                c = us.norm(dim=1)[:, None] * g.exp() / (1 + g.exp().sum(dim=1, keepdim=True))
                v = [squash(sum(c[i, j] * heard[i][j] for i in range(len(us)))) for j in range(3)]
                for i in range(len(us)):
                    for j in range(3):
                        g[i, j] += heard[i][j] @ v[j]
            assert torch.allclose(outputs[row], torch.stack(v), atol=1e-9)
            assert torch.allclose(coupling[row, mask[row]], c, atol=1e-9)
            assert (coupling[row, ~mask[row]] == 0).all()
