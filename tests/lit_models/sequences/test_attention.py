"""Attention of several queries, against a hand computation and against that of one query."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_models.layers.attention import AdditiveAttention, MultiplicativeAttention
from lit_models.sequences.attention import CrossAttention

STATES = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]], dtype=torch.float64)  # [1, 3, 2]
QUERIES = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
LENGTHS = torch.tensor([2])


def build(kind: Any, **weights: list[Any]) -> CrossAttention:
    layer = CrossAttention(kind, 2, 2, 1).double()
    with torch.no_grad():
        for name, values in weights.items():
            layer.get_parameter(name.replace("__", ".")).copy_(torch.tensor(values))
    return layer


def check(layer: CrossAttention, scores: list[list[float]]) -> None:
    """Compare with the softmax of scores of two states; the third is padding."""
    with torch.no_grad():
        contexts, weights = layer(QUERIES, layer.keys(STATES), STATES, LENGTHS)
    expected = torch.tensor(scores, dtype=torch.float64).softmax(dim=1)
    assert torch.allclose(weights[0, :, :2], expected, rtol=0, atol=1e-12)
    assert (weights[0, :, 2] == 0).all()
    a, b = expected.unbind(dim=1)
    assert torch.allclose(contexts[0], torch.stack([a, 2 * b], dim=1), rtol=0, atol=1e-12)


def test_multiplicative_scores_by_hand() -> None:
    layer = build("multiplicative", of_state__weight=[[1.0, 2.0], [0.0, 1.0]])
    # W h is (1, 0) and (4, 2); the queries are (1, 1) and (0, 1).
    check(layer, [[1.0, 6.0], [0.0, 2.0]])


def test_additive_scores_by_hand() -> None:
    layer = build(
        "additive",
        of_state__weight=[[0.5, 0.25]],
        of_query__weight=[[1.0, -1.0]],
        of_query__bias=[0.1],
        score__weight=[[3.0]],
    )
    # W h is 0.5 for both states; U q + b is 0.1 and -0.9.
    high, low = 3 * torch.tensor([0.6, -0.4], dtype=torch.float64).tanh()
    check(layer, [[float(high)] * 2, [float(low)] * 2])
    layer = build(
        "additive",
        of_state__weight=[[0.5, -0.25]],
        of_query__weight=[[0.0, 1.0]],
        of_query__bias=[0.0],
        score__weight=[[2.0]],
    )
    values = 2 * torch.tensor([1.5, 0.5], dtype=torch.float64).tanh()
    check(layer, [values.tolist()] * 2)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_each_query_is_answered_as_by_attention_of_one_query(kind: Any) -> None:
    torch.manual_seed(0)
    layer = CrossAttention(kind, 6, 4, 5).double()
    states = torch.randn(3, 7, 6, dtype=torch.float64)
    lengths, queries = torch.tensor([7, 1, 4]), torch.randn(3, 2, 4, dtype=torch.float64)
    reference: Any
    if kind == "additive":
        reference = AdditiveAttention(6, 4, 5).double()
        reference.load_state_dict(layer.state_dict())
    else:
        reference = MultiplicativeAttention(6, 4).double()
        reference.weight.weight.data = layer.of_state.weight.data.T
    contexts, weights = layer(queries, layer.keys(states), states, lengths)
    for number in range(2):
        context, of_states = reference(states, lengths, queries[:, number])
        assert torch.allclose(contexts[:, number], context, rtol=0, atol=1e-12)
        assert torch.allclose(weights[:, number], of_states, rtol=0, atol=1e-12)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="attention is 'dot'; choose one of"):
        CrossAttention("dot", 2, 2, 1)  # type: ignore[arg-type]
