"""The experiment byte_transformer: its cost grows with the length of a text, not its square."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.config.registry import Registry
from lit_models.layers.linear import flop_formulas
from lit_models.linear_transformer import LinearTransformer


@pytest.fixture(scope="module")
def settings(registry: Registry) -> dict[str, Any]:
    return registry.settings("byte_transformer")


def operations(settings: dict[str, Any], length: int) -> int:
    """Additions and products of the matrix products for one text, as torch counts them."""
    model = LinearTransformer(**settings["model"]["init_args"], vocab_size=258).eval()
    tokens = torch.randint(2, 258, (1, length))
    with (
        torch.inference_mode(),
        FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter,
    ):
        model.net(tokens, torch.tensor([length]))
    return int(counter.get_total_flops())


def test_operations_are_linear_in_the_length(settings: dict[str, Any]) -> None:
    longest = settings["data"]["init_args"]["max_length"]
    assert longest == 4_000
    quarter, half, whole = (operations(settings, longest // part) for part in (4, 2, 1))
    # Twice the bytes are added, and twice as much: what is left is the last layer, of one state.
    assert whole - half == 2 * (half - quarter)
    assert 4 * quarter - whole == 3 * 2 * 128 * 2


def test_each_byte_costs_what_the_equations_say(settings: dict[str, Any]) -> None:
    given = settings["model"]["init_args"]
    D, F, heads = (given[name] for name in ("embedding_dim", "dim_feedforward", "num_heads"))
    projections, feedforward = 4 * D * D, 2 * D * F
    attention = 2 * D * D // heads + D  # kᵀ v, q S and q · s of each head, of D / heads each
    per_byte = (operations(settings, 2_000) - operations(settings, 1_000)) / 1_000
    assert per_byte == given["num_layers"] * 2 * (projections + feedforward + attention)
