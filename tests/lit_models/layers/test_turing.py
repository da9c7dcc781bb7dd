"""The machine's equations with hand-set weights, a machine of two words, and the copy task."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.turing import Addresses, TuringMachine, TuringState, address, write

SLOTS = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -5.0]]).double()
KEY = [0.0, 1.0]
COSINES = [0.8, 1.0, 0.0, -1.0]  # of the key with each slot
BEFORE = [0.5, 0.0, 0.25, 0.25]


def at(
    key: list[float] = KEY,
    strength: float = 0.0,
    gate: float = 0.0,
    shift: tuple[float, ...] = (0.0, 1.0, 0.0),
    sharpness: float = 1.0,
    before: list[float] = BEFORE,
) -> list[float]:
    """Weights of the four slots for one head."""
    asked = key, [strength], [gate], shift, [sharpness]
    parts = [torch.tensor([[one]], dtype=torch.float64) for one in asked]
    last = torch.tensor([[before]], dtype=torch.float64)
    found: list[float] = address(SLOTS[None], last, Addresses(*parts))[0, 0].tolist()
    return found


def softmax(values: list[float]) -> list[float]:
    total = sum(map(math.exp, values))
    return [math.exp(value) / total for value in values]


@pytest.mark.parametrize("strength", [0.0, 1.0, 7.0])
def test_content_is_addressed_by_cosine_and_strength(strength: float) -> None:
    expected = softmax([strength * cosine for cosine in COSINES])
    assert at(strength=strength, gate=1.0) == pytest.approx(expected, abs=1e-9)
    # The length of a key does not matter.
    assert at([0.0, 9.0], strength, gate=1.0) == pytest.approx(expected, abs=1e-9)


def test_the_gate_interpolates_between_content_and_the_last_weights() -> None:
    content = softmax([2 * cosine for cosine in COSINES])
    for gate in (0.0, 0.3, 1.0):
        expected = [gate * c + (1 - gate) * b for c, b in zip(content, BEFORE, strict=True)]
        assert at(strength=2.0, gate=gate) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ((0.0, 1.0, 0.0), [0.5, 0.0, 0.25, 0.25]),
        ((0.0, 0.0, 1.0), [0.25, 0.5, 0.0, 0.25]),  # by +1: to the next slot
        ((1.0, 0.0, 0.0), [0.0, 0.25, 0.25, 0.5]),  # by -1
        ((0.0, 0.5, 0.5), [0.375, 0.25, 0.125, 0.25]),
    ],
)
def test_weights_are_shifted_round_the_circle(
    shift: tuple[float, ...], expected: list[float]
) -> None:
    assert at(shift=shift) == pytest.approx(expected, abs=1e-9)


def test_wider_shifts_are_the_written_convolution() -> None:
    torch.manual_seed(0)
    N, S = 7, 3
    weights, shifts = torch.rand(2, 3, N).double(), torch.rand(2, 3, 2 * S + 1).double()
    weights, shifts = weights / weights.sum(2, True), shifts / shifts.sum(2, True)
    one = torch.ones(2, 3, 1).double()
    heads = Addresses(torch.ones(2, 3, 2).double(), one, 0 * one, shifts, one)
    found = address(torch.ones(2, N, 2).double(), weights, heads)
    expected = torch.zeros_like(weights)
    for i in range(N):
        for j in range(N):
            for o in range(-S, S + 1):  # s(i - j), with i - j counted round the circle
                if (i - j - o) % N == 0:
                    expected[:, :, i] += weights[:, :, j] * shifts[:, :, o + S]
    assert torch.allclose(found, expected, atol=1e-9)


def test_weights_are_sharpened() -> None:
    squares = [0.25, 0.0, 0.0625, 0.0625]
    expected = [square / 0.375 for square in squares]
    assert at(sharpness=2.0) == pytest.approx(expected, abs=1e-9)
    # (1/4)^600 is below the least double, and the weights are right all the same.
    assert at(sharpness=600.0, before=[0.25] * 4) == pytest.approx([0.25] * 4, abs=1e-9)


def test_a_head_erases_and_then_adds() -> None:
    weights = torch.tensor([[[0.5, 0.0, 1.0, 0.0]]]).double()
    erase, add = torch.tensor([[[1.0, 0.5]]]).double(), torch.tensor([[[10.0, 20.0]]]).double()
    expected = [
        [3 * (1 - 0.5) + 5, 4 * (1 - 0.25) + 10],
        [0, 2],
        [-1 * (1 - 1) + 10, 0 * (1 - 0.5) + 20],
        [0, -5],
    ]
    assert write(SLOTS[None], weights, erase, add)[0].tolist() == expected


def test_two_heads_erase_both_and_add_both() -> None:
    weights = torch.tensor([[[1.0, 0, 0, 0], [0.5, 0, 0, 1.0]]]).double()
    erase = torch.tensor([[[0.5, 0.5], [1.0, 0.0]]]).double()
    add = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]).double()
    found = write(SLOTS[None], weights, erase, add)[0].tolist()
    assert found[0] == [3 * 0.5 * 0.5 + 1, 4 * 0.5 * 1 + 1]
    assert found[3] == [0, -5 + 2]


def small(**settings: int) -> TuringMachine:
    torch.manual_seed(0)
    sizes = {"hidden_size": 4, "memory_slots": 6, "memory_size": 3}
    machine = TuringMachine(5, **(sizes | settings)).double()
    for parameter in machine.parameters():
        nn.init.normal_(parameter)
    return machine


@torch.no_grad()
def test_a_step_by_hand_with_two_heads_of_each_kind() -> None:
    machine = small(read_heads=2, write_heads=2)
    assert machine.address_size == 3 + 3 + 3
    state = TuringState(*(torch.randn(1, *shape).double() for shape in [(4,), (4,), (6,), (6, 3)]),
                        torch.rand(1, 4, 6).double().softmax(dim=2))  # fmt: skip
    x = torch.randn(1, 1, 5).double()
    words, inside = machine.prepared(x, torch.tensor([1]))
    after = machine.step(state, words[:, 0], inside[:, 0])
    # The controller is an LSTM cell over the word and what was read, with the weights of PyTorch.
    cell = nn.LSTMCell(5 + 6, 4).double()
    of_state = machine.of_state.weight
    cell.weight_ih.copy_(torch.cat([machine.of_word.weight, of_state[:, 4:]], dim=1))
    cell.weight_hh.copy_(of_state[:, :4])
    cell.bias_ih.copy_(machine.of_word.bias)
    cell.bias_hh.zero_()
    h, c = cell(torch.cat([x[:, 0], state.reads], dim=1), (state.hidden, state.cell))
    assert torch.allclose(after.hidden, h) and torch.allclose(after.cell, c)
    raw = machine.heads(h)[0]
    weights = []
    for head in range(4):
        k, beta, gamma, g, s = raw[head * 9 : head * 9 + 9].split([3, 1, 1, 1, 3])
        content = (F.softplus(beta) * F.cosine_similarity(k[None], state.memory[0])).softmax(dim=0)
        gated = g.sigmoid() * content + (1 - g.sigmoid()) * state.weights[0, head]
        s = s.softmax(dim=0)
        shifted = s[0] * gated.roll(-1) + s[1] * gated + s[2] * gated.roll(1)
        sharp = shifted ** (1 + F.softplus(gamma))
        weights.append(sharp / sharp.sum())
    assert torch.allclose(after.weights[0], torch.stack(weights), atol=1e-9)
    e1, e2, a1, a2 = raw[36:].split(3)
    memory = state.memory[0]
    for w, e in ((weights[2], e1), (weights[3], e2)):
        memory = memory * (1 - torch.outer(w, e.sigmoid()))
    memory = memory + torch.outer(weights[2], a1.tanh()) + torch.outer(weights[3], a2.tanh())
    assert torch.allclose(after.memory[0], memory, atol=1e-9)
    expected = torch.cat([weights[0] @ memory, weights[1] @ memory])
    assert torch.allclose(after.reads[0], expected, atol=1e-9)


@torch.no_grad()
def test_nothing_is_written_at_padding() -> None:
    machine = small(write_heads=2)
    words = torch.randn(3, 9, 5).double()
    lengths = torch.tensor([2, 9, 5])
    states, reads, memory = machine(words, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = machine(words[row : row + 1, :length], torch.tensor([length]))
        assert torch.allclose(states[row, :length], alone[0][0], atol=1e-12)
        assert torch.allclose(reads[row, :length], alone[1][0], atol=1e-12)
        assert torch.allclose(memory[row], alone[2][0], atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"read_heads": 0}, "read_heads is 0; it must be at least 1"),
        ({"write_heads": 0}, "write_heads is 0; it must be at least 1"),
        ({"max_shift": 0}, "max_shift is 0; it must be at least 1"),
        ({"memory_size": -1}, "memory_size is -1; it must be at least 1"),
        ({"memory_slots": 6, "max_shift": 3}, "max_shift is 3 and memory_slots is 6; .* 7 slots"),
    ],
)
def test_bad_settings_are_errors_with_their_value(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**settings)


BITS = 4


def copy_task(length: int, rows: int) -> tuple[Tensor, Tensor]:
    """Rows of random bits, a mark that they end, and as many empty places; and the bits."""
    inputs = torch.zeros(rows, 2 * length + 1, BITS + 1)
    bits = torch.randint(0, 2, (rows, length, BITS)).float()
    inputs[:, :length, :BITS] = bits
    inputs[:, length, BITS] = 1
    return inputs, bits


@pytest.mark.slow
def test_copying_is_learnt_up_to_8_and_repeated_at_16() -> None:
    # What is read is all that the output sees: an LSTM alone would learn 8 by heart, and no more.
    torch.manual_seed(0)
    machine = TuringMachine(BITS + 1, 32, memory_slots=20, memory_size=8)
    output = nn.Linear(8, BITS)
    parameters = [*machine.parameters(), *output.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)

    def copied(length: int, rows: int) -> tuple[Tensor, Tensor]:
        inputs, bits = copy_task(length, rows)
        _, reads, _ = machine(inputs, torch.full((rows,), inputs.shape[1]))
        return output(reads[:, length + 1 :]), bits

    @torch.no_grad()
    def wrong(length: int) -> float:
        logits, bits = copied(length, 64)
        return float(((logits > 0) != bits.bool()).float().mean())

    for step in range(1, 2_601):  # 1,600 with this seed, 18 s of one core
        logits, bits = copied(int(torch.randint(1, 9, ())), 16)
        loss = F.binary_cross_entropy_with_logits(logits, bits)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 100 == 0 and loss < 0.05 and wrong(8) == 0 and wrong(16) < 0.002:
            break
    assert wrong(8) < 0.001 and wrong(16) < 0.01
