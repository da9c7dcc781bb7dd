"""The GRU and the tanh cell for a CPU against PyTorch's, their gradients, and when they serve."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.layers import linear, recurrence
from lit_models.layers.recurrent import Cell, Direction, Recurrent, reverse

UNFUSED: list[Cell] = ["rnn", "gru"]


def by_torch(layer: Recurrent, inputs: Tensor, lengths: Tensor) -> Tensor:
    """States of a layer by `torch.nn.RNN` and `torch.nn.GRU`, which leave the tanh in."""
    own: list[Any] = list(layer.layers[0])  # type: ignore[call-overload]
    read = [own[0].core(inputs)[0]]
    if layer.bidirectional:
        read.append(reverse(own[1].core(reverse(inputs, lengths))[0], lengths))
    return torch.cat(read, dim=2)


def make(
    cell: Cell, bidirectional: bool, rows: int, width: int
) -> tuple[Recurrent, Tensor, Tensor]:
    """A layer in float64 with weights off their start, words, and lengths from 1 to all."""
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 4, bidirectional=bidirectional).double()
    with torch.no_grad():
        for weight in layer.parameters():  # biases start at 0, which would hide a lost one
            weight.add_(torch.randn_like(weight), alpha=0.3)
    lengths = torch.randint(1, width + 1, (rows,))
    lengths[0], lengths[-1] = width, 1
    return layer, torch.randn(rows, width, 5, dtype=torch.float64, requires_grad=True), lengths


@pytest.mark.parametrize("cell", UNFUSED)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("width", [1, 2, 5, 6, 23])  # none, some, all of a chunk of words, several
def test_states_and_gradients_are_those_of_torch(
    cell: Cell, bidirectional: bool, width: int
) -> None:
    layer, inputs, lengths = make(cell, bidirectional, 4, width)
    of = [inputs, *layer.parameters()]
    found, expected = layer(inputs, lengths), by_torch(layer, inputs, lengths)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    given = torch.randn_like(found)
    pairs = zip(
        torch.autograd.grad(found, of, given),
        torch.autograd.grad(expected, of, given),
        strict=True,
    )
    for own, others in pairs:
        assert torch.allclose(own, others, rtol=0, atol=1e-11)


@pytest.mark.parametrize("cell", UNFUSED)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_are_those_of_small_differences(cell: Cell, bidirectional: bool) -> None:
    layer, inputs, lengths = make(cell, bidirectional, 3, 7)
    names = [name for name, _ in layer.named_parameters()]

    def states(words: Tensor, *weights: Tensor) -> Tensor:
        given = dict(zip(names, weights, strict=True))
        result: Tensor = torch.func.functional_call(layer, given, (words, lengths))
        return result

    assert torch.autograd.gradcheck(states, (inputs, *layer.parameters()))


@pytest.mark.parametrize("cell", UNFUSED)
def test_words_in_float32_are_multiplied_by_onednn_to_the_same_end(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, inputs, lengths = make(cell, True, 4, 175)
    given = torch.randn(4, 175, 8, dtype=torch.float64)
    given[torch.arange(175)[None, :] >= lengths[:, None]] = 0
    exact = torch.autograd.grad(layer(inputs, lengths), [inputs, *layer.parameters()], given)
    shapes, product = [], linear._product
    spy = lambda rows, *rest: (shapes.append(rows.shape), product(rows, *rest))[1]  # noqa: E731
    monkeypatch.setattr(linear, "_product", spy)
    monkeypatch.setattr(linear, "_LEAST", 1)
    single, few = copy.deepcopy(layer).float(), inputs.detach().float().requires_grad_()
    states = single(few, lengths)
    if torch.backends.mkldnn.is_available():
        assert shapes == [(4 * 175, 5)]
    assert torch.allclose(states.double(), by_torch(layer, inputs, lengths), atol=1e-5)
    found = torch.autograd.grad(states, [few, *single.parameters()], given.float())
    for own, others in zip(found, exact, strict=True):
        assert (own - others).abs().max() < 1e-5 * max(1, float(others.abs().max()))


def test_states_at_their_limits_stay_numbers_and_so_do_gradients() -> None:
    for cell in UNFUSED:
        layer, inputs, lengths = make(cell, True, 3, 6)
        inputs = (1e4 * inputs.detach()).requires_grad_()
        states = layer.float()(inputs.float(), lengths)
        assert states.abs().max() == 1
        states.sum().backward()
        assert inputs.grad is not None and inputs.grad.isfinite().all()


@pytest.mark.parametrize("cell", UNFUSED)
def test_weight_drop_leaves_recurrent_weights_out_and_fixed_inputs_get_no_gradient(
    cell: Cell,
) -> None:
    layer, inputs, lengths = make(cell, False, 3, 6)
    own: Any = layer.layers[0][0]  # type: ignore[index]
    own.weight_drop = 0.5
    torch.manual_seed(1)
    found = layer(inputs.detach(), lengths)
    torch.manual_seed(1)
    kept = F.dropout(own.core.weight_hh_l0, 0.5)
    (gradient,) = torch.autograd.grad(found.sum(), own.core.weight_hh_l0)
    assert torch.equal(gradient == 0, kept == 0) and (kept == 0).any()
    with torch.no_grad():
        own.core.weight_hh_l0.copy_(kept)
    assert torch.allclose(found, own.core(inputs)[0], atol=1e-12)


def test_it_serves_where_torch_has_no_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    read = recurrence.read
    monkeypatch.setattr(recurrence, "read", lambda *given: (seen.append(1), read(*given))[1])
    words, lengths = torch.randn(2, 3, 5), torch.tensor([3, 2])

    def calls(cell: Cell, dtype: torch.dtype = torch.float32, **options: Any) -> int:
        seen.clear()
        layer = Recurrent(cell, 5, 4, **options).to(dtype)
        layer(words.to(dtype), lengths)
        return len(seen)

    assert calls("gru") == calls("rnn", bidirectional=True) == 1
    assert calls("gru", weight_drop=0.5, num_layers=2) == 2
    assert calls("lstm") == calls("rnn", recurrent_dropout=0.5) == 0
    assert calls("gru", torch.bfloat16) == 0  # 2k - 1 would lose what is near 0


@pytest.mark.parametrize("cell", UNFUSED)
def test_autocast_changes_nothing(cell: Cell) -> None:
    layer, inputs, lengths = make(cell, True, 3, 6)
    layer, words = layer.float(), inputs.detach().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer(words, lengths)
        inside.sum().backward()
    assert inside.dtype == torch.float32 and torch.equal(inside, layer(words, lengths))
    with torch.autocast("cpu", dtype=torch.bfloat16):  # what a linear layer hands on
        assert layer(words.bfloat16(), lengths).dtype == torch.float32


def test_old_checkpoints_fit() -> None:
    assert [*Direction("gru", 3, 2).state_dict()] == [
        f"core.{kind}_{source}_l0" for kind in ("weight", "bias") for source in ("ih", "hh")
    ]
