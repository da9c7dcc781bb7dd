"""Cells against their equations, word by word, and both directions against rows read alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lit_models.layers.masking import Pooling
from lit_models.layers.recurrent import Cell, Direction, Recurrent, reverse

CELLS: list[Cell] = ["rnn", "gru", "lstm"]
LENGTHS = torch.tensor([7, 1, 4])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def set_weights(direction: Direction, inputs: list[float], states: list[float]) -> None:
    """Weights of a cell of one unit over one number, gate after gate; biases 0.1, 0.2, ….

    The second bias, which belongs to the product with the state, is 0.05 throughout.
    """
    biases = torch.arange(1, len(inputs) + 1, dtype=torch.float64) / 10
    with torch.no_grad():
        direction.core.weight_ih_l0.copy_(torch.tensor(inputs, dtype=torch.float64)[:, None])
        direction.core.weight_hh_l0.copy_(torch.tensor(states, dtype=torch.float64)[:, None])
        direction.core.bias_ih_l0.copy_(biases)
        direction.core.bias_hh_l0.fill_(0.05)


def written_rnn(words: list[float]) -> list[float]:
    h, states = 0.0, []
    for x in words:
        h = math.tanh(0.7 * x + 0.1 - 0.4 * h + 0.05)
        states.append(h)
    return states


def written_gru(words: list[float]) -> list[float]:
    h, states = 0.0, []
    for x in words:
        r = sigmoid(0.7 * x + 0.1 - 0.4 * h + 0.05)
        z = sigmoid(-0.3 * x + 0.2 + 0.9 * h + 0.05)
        n = math.tanh(0.5 * x + 0.3 + r * (1.1 * h + 0.05))
        h = (1 - z) * n + z * h
        states.append(h)
    return states


def written_lstm(words: list[float]) -> list[float]:
    h, c, states = 0.0, 0.0, []
    for x in words:
        i = sigmoid(0.7 * x + 0.1 - 0.4 * h + 0.05)
        f = sigmoid(-0.3 * x + 0.2 + 0.9 * h + 0.05)
        g = math.tanh(0.5 * x + 0.3 + 1.1 * h + 0.05)
        o = sigmoid(-0.8 * x + 0.4 + 0.6 * h + 0.05)
        c = f * c + i * g
        h = o * math.tanh(c)
        states.append(h)
    return states


WRITTEN = {"rnn": written_rnn, "gru": written_gru, "lstm": written_lstm}
INPUTS, STATES = [0.7, -0.3, 0.5, -0.8], [-0.4, 0.9, 1.1, 0.6]
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("path", ["forward", "_packed", "_fused", "_loop"])
def test_a_cell_follows_its_equations_on_every_path(cell: Cell, path: str) -> None:
    direction = Direction(cell, 1, 1).double()
    set_weights(direction, INPUTS[: GATES[cell]], STATES[: GATES[cell]])
    words = [0.5, -1.0, 2.0, 0.25]
    inputs = torch.tensor(words, dtype=torch.float64)[None, :, None]
    lengths = [torch.tensor([4])] if path in ("forward", "_packed") else []
    found: Tensor = getattr(direction, path)(inputs, *lengths)
    assert found.flatten().tolist() == pytest.approx(WRITTEN[cell](words), abs=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("packed", [False, True])
def test_both_directions_read_a_padded_row_as_they_read_it_alone(
    cell: Cell, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 4, num_layers=2, bidirectional=True).double()
    inputs = torch.randn(3, 9, 5, dtype=torch.float64)
    alone = [layer(inputs[[i], :n], LENGTHS[[i]])[0] for i, n in enumerate(LENGTHS.tolist())]
    if packed:  # the way a CUDA device goes
        monkeypatch.setattr(Direction, "unfused", lambda *_: False)
        monkeypatch.setattr(Direction, "forward", Direction._packed)
    inputs[torch.arange(9)[None, :] >= LENGTHS[:, None]] = 1e3  # what padding may hold
    together = layer(inputs, LENGTHS)
    for row, expected in zip(together, alone, strict=True):
        assert torch.allclose(row[: len(expected)], expected, atol=1e-12)


def test_the_backward_direction_is_the_forward_one_on_reversed_words() -> None:
    torch.manual_seed(0)
    layer = Recurrent("gru", 3, 4, bidirectional=True).double()
    forward, backward = layer.layers[0]
    inputs, lengths = torch.randn(1, 6, 3, dtype=torch.float64), torch.tensor([6])
    states = layer(inputs, lengths)
    assert torch.allclose(states[:, :, :4], forward(inputs, lengths))
    assert torch.allclose(states[:, :, 4:].flip(1), backward(inputs.flip(1), lengths))


def test_rows_turn_round_within_their_length_and_so_do_gradients() -> None:
    rows = torch.arange(15.0, dtype=torch.float64).view(3, 5, 1).requires_grad_()
    turned = reverse(rows, torch.tensor([5, 1, 3]))
    assert turned[:, :, 0].tolist() == [
        [4, 3, 2, 1, 0],
        [5, 6, 7, 8, 9],
        [12, 11, 10, 13, 14],
    ]
    assert torch.autograd.gradcheck(lambda x: reverse(x, torch.tensor([5, 1, 3])), rows)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean+max"])
def test_pooling_takes_each_direction_where_it_has_read_everything(pooling: Pooling) -> None:
    torch.manual_seed(0)
    layer = Recurrent("lstm", 3, 4, bidirectional=True).double()
    states = layer(torch.randn(3, 7, 3, dtype=torch.float64), LENGTHS)
    found = layer.pool(states, LENGTHS, pooling)
    assert found.shape[1] == layer.pooled_size(pooling)
    for row, own, length in zip(found, states, LENGTHS.tolist(), strict=True):
        parts = {
            "last": torch.cat([own[length - 1, :4], own[0, 4:]]),
            "mean": own[:length].mean(dim=0),
            "max": own[:length].amax(dim=0),
        }
        assert torch.allclose(row, torch.cat([parts[part] for part in pooling.split("+")]))


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_dropout_keeps_one_mask_for_a_whole_text(cell: Cell) -> None:
    direction = Direction(cell, 2, 50, recurrent_dropout=0.5).double()
    inputs = torch.zeros(2, 3, 2, dtype=torch.float64)
    with torch.no_grad():  # states of 0 would hide what is dropped
        direction.core.bias_ih_l0.fill_(0.3)
        direction.core.weight_hh_l0.copy_(torch.eye(50).repeat(GATES[cell], 1))
    torch.manual_seed(0)
    states = direction(inputs, LENGTHS)
    # With U = 1, a unit's fate is its own: dropped units stay on one course, kept ones on another.
    assert len(states[:, 2].round(decimals=9).unique()) == 2
    assert not torch.equal(states[0], states[1])  # each text draws its own
    direction.eval()
    assert torch.equal(direction(inputs, LENGTHS), direction.core(inputs)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_weight_drop_leaves_recurrent_weights_out_and_scales_the_rest(cell: Cell) -> None:
    direction = Direction(cell, 2, 3, weight_drop=0.5).double()
    inputs = torch.randn(2, 4, 2, dtype=torch.float64)
    torch.manual_seed(1)
    found = direction(inputs, LENGTHS)
    plain = Direction(cell, 2, 3).double()
    plain.load_state_dict(direction.state_dict())
    torch.manual_seed(1)
    with torch.no_grad():
        plain.core.weight_hh_l0.copy_(torch.nn.functional.dropout(direction.core.weight_hh_l0, 0.5))
    assert torch.allclose(found, plain(inputs, LENGTHS), atol=1e-12)
    assert (plain.core.weight_hh_l0 == 0).any()
    assert torch.equal(direction.eval()(inputs, LENGTHS), direction.core(inputs)[0])


def test_layer_dropout_leaves_out_whole_dimensions_of_a_text() -> None:
    torch.manual_seed(0)
    layer = Recurrent("lstm", 2, 40, num_layers=2, dropout=0.5)
    seen = []
    layer.layers[1][0].register_forward_hook(lambda module, given, states: seen.append(given[0]))
    layer(torch.randn(3, 5, 2), torch.tensor([5, 5, 5]))
    dropped = seen[0] == 0
    assert 0.3 < dropped.float().mean() < 0.7
    assert torch.equal(dropped.all(dim=1), dropped.any(dim=1))
    assert not torch.equal(dropped[0], dropped[1])


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="cell is 'mlp'; choose one of"):
        Recurrent("mlp", 2, 2)  # type: ignore[arg-type]
