"""Pooling against plain loops over each row's own states."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.masking import Pooling, mask_of, masked_max, masked_mean, pool, pooled_size

LENGTHS = torch.tensor([1, 4, 7])


def reference(states: torch.Tensor, how: Pooling) -> torch.Tensor:
    rows = []
    for row, length in zip(states, LENGTHS.tolist(), strict=True):
        own = row[:length]
        parts = {"last": own[-1], "mean": own.mean(dim=0), "max": own.max(dim=0).values}
        rows.append(torch.cat([parts[part] for part in how.split("+")]))
    return torch.stack(rows)


@pytest.mark.parametrize("how", ["last", "mean", "max", "mean+max"])
@pytest.mark.parametrize("filler", [0.0, 1e30, float("inf"), float("nan")])
def test_pooling_sees_each_rows_own_states_alone(how: Pooling, filler: float) -> None:
    states = torch.randn(3, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    states[~mask_of(LENGTHS, 7)] = filler
    found = pool(states, LENGTHS, how)
    assert found.shape == (3, pooled_size(5, how))
    assert torch.allclose(found, reference(states, how), atol=1e-12)


@pytest.mark.parametrize("layout", ["rows first", "words first", "one row for all"])
def test_mean_and_max_at_once_have_the_bits_and_gradients_of_each_alone(layout: str) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = {"rows first": (3, 7, 5), "words first": (7, 3, 5), "one row for all": (1, 7, 5)}
    states = torch.randn(shape[layout], generator=generator)
    sides = [states.clone().requires_grad_() for _ in range(2)]
    views = [side.transpose(0, 1) if layout == "words first" else side for side in sides]
    views = [view.expand(3, 7, 5) for view in views]
    found = pool(views[0], LENGTHS, "mean+max")
    alone = [masked_mean(views[1], LENGTHS), masked_max(views[1], LENGTHS)]
    expected = torch.cat(alone, dim=1)
    assert torch.equal(found, expected)
    weights = torch.randn(found.shape, generator=generator)
    for pooled in (found, expected):
        (pooled * weights).sum().backward()
    assert torch.equal(sides[0].grad, sides[1].grad)  # type: ignore[arg-type]


def test_its_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 7, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: pool(values, LENGTHS, "mean+max"), (states,))


def test_states_of_half_precision_take_the_gradient_of_a_mean_that_autocast_widens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add = torch.Tensor.sum
    widened = lambda values, dim: add(values, dim=dim, dtype=torch.float32)  # noqa: E731
    monkeypatch.setattr(torch.Tensor, "sum", widened)  # as autocast of a GPU does
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 7, 5, generator=generator).bfloat16()
    sides = [states.clone().requires_grad_() for _ in range(2)]
    pooled = pool(sides[0], LENGTHS, "mean+max")
    expected = torch.cat([masked_mean(sides[1], LENGTHS), masked_max(sides[1], LENGTHS)], dim=1)
    assert pooled.dtype == torch.float32 and torch.equal(pooled, expected)
    weights = torch.randn(pooled.shape, generator=generator)
    for side, result in zip(sides, (pooled, expected), strict=True):
        (side.grad,) = torch.autograd.grad(result, side, weights)
    assert torch.equal(sides[0].grad, sides[1].grad)  # type: ignore[arg-type]
