"""Pooling against plain loops over each row's own states."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.masking import Pooling, mask_of, pool, pooled_size

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
