"""Attention pooling against its equations, written out state by state with weights set by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lit_models.layers.attention import (
    AdditiveAttention,
    ContextAttention,
    DotAttention,
    MultiplicativeAttention,
    weighted_sum,
)
from lit_models.layers.masking import mask_of

LENGTHS = torch.tensor([1, 3, 5])
D, Q, A = 2, 3, 2


def hand_set(attention: nn.Module) -> nn.Module:
    """Weights 0.1, -0.2, 0.3, … in the order of the parameters."""
    number = 0
    attention.double()
    for parameter in attention.parameters():
        for place in range(parameter.numel()):
            number += 1
            parameter.data.view(-1)[place] = 0.1 * number * (-1) ** (number + 1)
    return attention


def example(query_size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 5, D, dtype=torch.float64, generator=generator)
    return states, torch.randn(3, query_size, dtype=torch.float64, generator=generator)


def pooled(scores: list[float], states: Tensor) -> tuple[Tensor, list[float]]:
    total = sum(math.exp(score) for score in scores)
    weights = [math.exp(score) / total for score in scores]
    return sum(w * h for w, h in zip(weights, states, strict=True)), weights


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def additive(h: list[float], q: list[float]) -> float:
    w, u, b = [[0.1, -0.2], [0.3, -0.4]], [[0.5, -0.6, 0.7], [-0.8, 0.9, -1.0]], [1.1, -1.2]
    v = [1.3, -1.4]
    return sum(v[a] * math.tanh(dot(w[a], h) + dot(u[a], q) + b[a]) for a in range(A))


def multiplicative(h: list[float], q: list[float]) -> float:
    w = [[0.1, -0.2, 0.3], [-0.4, 0.5, -0.6]]  # row: dimension of h, column: of q
    return sum(h[d] * w[d][k] * q[k] for d in range(D) for k in range(Q))


def context(h: list[float], q: list[float]) -> float:
    w, b, u = [[0.1, -0.2], [0.3, -0.4]], [0.5, -0.6], [0.7, -0.8]
    return sum(u[a] * math.tanh(dot(w[a], h) + b[a]) for a in range(A))


CASES = {
    "additive": (AdditiveAttention(D, Q, A), additive, Q),
    "dot": (DotAttention(), dot, D),
    "multiplicative": (MultiplicativeAttention(D, Q), multiplicative, Q),
    "context": (ContextAttention(D, A), context, 0),
}


@pytest.mark.parametrize("kind", list(CASES))
@pytest.mark.parametrize("filler", [0.0, 1e30, float("nan")])
def test_summary_and_weights_follow_the_equations(kind: str, filler: float) -> None:
    attention, score, query_size = CASES[kind]
    score_of: Callable[[list[float], list[float]], float] = score
    states, query = example(query_size)
    states[~mask_of(LENGTHS, 5)] = filler
    given = (query,) if query_size else ()
    summary, weights = hand_set(attention)(states, LENGTHS, *given)
    for row, length in enumerate(LENGTHS.tolist()):
        own = states[row, :length]
        scores = [score_of(h, query[row].tolist()) for h in own.tolist()]
        expected, shares = pooled(scores, own)
        assert torch.allclose(summary[row], expected, atol=1e-12)
        assert weights[row, :length].tolist() == pytest.approx(shares, abs=1e-12)
        assert (weights[row, length:] == 0).all()
        assert weights[row].sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("kind", list(CASES))
def test_gradients_stay_finite_whatever_stands_in_the_padding(kind: str) -> None:
    attention, _, query_size = CASES[kind]
    states, query = example(query_size)
    states[~mask_of(LENGTHS, 5)] = float("inf")
    states.requires_grad_()
    given = (query,) if query_size else ()
    hand_set(attention)(states, LENGTHS, *given)[0].square().sum().backward()
    for tensor in (states, *attention.parameters()):
        assert tensor.grad is not None and tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_equal_scores_give_the_mean_of_the_texts_own_states() -> None:
    states, _ = example(0)
    summary, weights = weighted_sum(torch.full((3, 5), 7.0).double(), states, LENGTHS)
    assert weights[1].tolist() == pytest.approx([1 / 3] * 3 + [0, 0])
    assert torch.allclose(summary[2], states[2].mean(dim=0))
