"""An LSTM with a memory that it reads and writes by addresses (Graves et al. 2014)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.linear import Linear
from lit_models.layers.masking import mask_of

_START = 0.01  # every value of the memory before the first word
_TINY = 1e-12  # below which a weight or a product of lengths counts as zero


class TuringState(NamedTuple):
    """State of a machine between two words.

    Attributes:
        hidden: float[B, H] h of the controller.
        cell: float[B, H] its c.
        reads: float[B, R · M] vectors that the R read heads have read.
        memory: float[B, N, M].
        weights: float[B, R + W, N] weights of the slots for each head, read heads first.
    """

    hidden: Tensor
    cell: Tensor
    reads: Tensor
    memory: Tensor
    weights: Tensor


class Addresses(NamedTuple):
    """Places in the memory that K heads ask for.

    Attributes:
        keys: float[B, K, M] k.
        strengths: float[B, K, 1] β ≥ 0 of the keys.
        gates: float[B, K, 1] g of 0 to 1: content rather than the last weights.
        shifts: float[B, K, 2S + 1] distribution s over shifts by -S … S slots.
        sharpness: float[B, K, 1] γ ≥ 1.
    """

    keys: Tensor
    strengths: Tensor
    gates: Tensor
    shifts: Tensor
    sharpness: Tensor


def address(memory: Tensor, last: Tensor, heads: Addresses) -> Tensor:
    """float[B, K, N] weights of the slots for each head; they sum to 1.

    Args:
        memory: float[B, N, M].
        last: float[B, K, N] weights at the word before.
        heads: their keys, gates and shifts.
    """
    lengths = heads.keys.norm(dim=2)[:, :, None] * memory.norm(dim=2)[:, None]  # [B, K, N]
    cosines = heads.keys @ memory.transpose(1, 2) / lengths.clamp(min=_TINY)
    content = (heads.strengths * cosines).softmax(dim=2)
    weights = last + heads.gates * (content - last)  # interpolation
    reach = heads.shifts.shape[2] // 2
    circle = torch.cat([weights[:, :, -reach:], weights, weights[:, :, :reach]], dim=2)
    size = weights.shape[2]
    parts = [  # shift by S begins at the first place of the circle, by -S at the last
        heads.shifts[:, :, 2 * reach - place, None] * circle[:, :, place : place + size]
        for place in range(2 * reach + 1)
    ]
    shifted = sum(parts[1:], parts[0])
    # w^γ / Σ w^γ, in which no w^γ underflows
    return (heads.sharpness * shifted.clamp(min=_TINY).log()).softmax(dim=2)


def write(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """float[B, N, M] memory after W heads have erased and then added.

    Args:
        memory: float[B, N, M].
        weights: float[B, W, N].
        erase: float[B, W, M] of 0 to 1.
        add: float[B, W, M].
    """
    for head in range(weights.shape[1]):
        memory = memory * (1 - weights[:, head, :, None] * erase[:, head, None])
    return memory + weights.transpose(1, 2) @ add


class TuringMachine(nn.Module):
    """The machine itself: from vectors to states of its controller and vectors that it reads.

    See `lit_models.neural_turing_machine.NeuralTuringMachine` for the equations.

    Args:
        input_size: E.
        hidden_size: H, width of the controller's state.
        memory_slots: N.
        memory_size: M, width of a slot.
        read_heads: R.
        write_heads: W.
        max_shift: S, by how many slots a head can move at a word.

    Raises:
        ValueError: a size below 1, or shifts that go round the memory.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        memory_slots: int,
        memory_size: int,
        read_heads: int = 1,
        write_heads: int = 1,
        max_shift: int = 1,
    ) -> None:
        super().__init__()
        for name, value in {
            "hidden_size": hidden_size,
            "memory_slots": memory_slots,
            "memory_size": memory_size,
            "read_heads": read_heads,
            "write_heads": write_heads,
            "max_shift": max_shift,
        }.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if 2 * max_shift + 1 > memory_slots:
            raise ValueError(
                f"max_shift is {max_shift} and memory_slots is {memory_slots}; shifts by up to "
                f"{max_shift} slots to either side need at least {2 * max_shift + 1} slots"
            )
        self.hidden_size = hidden_size
        self.memory_slots, self.memory_size = memory_slots, memory_size
        self.read_heads, self.write_heads, self.max_shift = read_heads, write_heads, max_shift
        heads = read_heads + write_heads
        self.of_word = Linear(input_size, 4 * hidden_size)
        self.of_state = nn.Linear(hidden_size + read_heads * memory_size, 4 * hidden_size, False)
        self.address_size = memory_size + 2 * max_shift + 4
        self.heads = nn.Linear(
            hidden_size, heads * self.address_size + 2 * write_heads * memory_size
        )
        self.first_reads = nn.Parameter(torch.zeros(read_heads * memory_size))
        self.first_weights = nn.Parameter(torch.zeros(heads, memory_slots))  # logits
        with torch.no_grad():
            self.first_weights[:, 0] = 5.0  # all heads begin near slot 0
            self.of_word.bias.zero_()
            self.of_word.bias[hidden_size : 2 * hidden_size] = 1.0  # forget gates

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float[B, T, H] states, float[B, T, R · M] reads, and the last float[B, N, M] memory.

        Past a row's length states and reads are garbage, and the memory stays as it is.

        Args:
            inputs: float[B, T, E], finite past a row's length.
            lengths: int64[B].
        """
        # In bf16 what is written would be rounded again at every word.
        with torch.autocast(inputs.device.type, enabled=False):
            return self._read(inputs.to(self.of_word.weight.dtype), lengths)

    def _read(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        words, inside = self.prepared(inputs, lengths)
        state, states, reads = self.start(words), [], []
        for word, written in zip(words.unbind(dim=1), inside.unbind(dim=1), strict=True):
            state = self.step(state, word, written)
            states.append(state.hidden)
            reads.append(state.reads)
        return torch.stack(states, dim=1), torch.stack(reads, dim=1), state.memory

    def prepared(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, T, 4H] what words add to the gates, and float[B, T] 1 at words, 0 at padding."""
        words = self.of_word(inputs)
        return words, mask_of(lengths, inputs.shape[1]).to(words.dtype)

    def start(self, words: Tensor) -> TuringState:
        """State before the first word."""
        rows, size = words.shape[0], words.shape[2] // 4
        empty = words.new_zeros(rows, size)
        memory = words.new_full((rows, self.memory_slots, self.memory_size), _START)
        weights = self.first_weights.softmax(dim=1).expand(rows, -1, -1)
        return TuringState(empty, empty, self.first_reads.expand(rows, -1), memory, weights)

    def step(self, state: TuringState, word: Tensor, inside: Tensor) -> TuringState:
        """State after one word.

        Args:
            state: the state before.
            word: float[B, 4H], what the word adds to the gates.
            inside: float[B], 0 where nothing is written since the text has ended.
        """
        known = torch.cat([state.hidden, state.reads], dim=1)
        i, f, g, o = (word + self.of_state(known)).chunk(4, dim=1)
        cell = f.sigmoid() * state.cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        addresses, erase, add = self.asked(hidden)
        weights = address(state.memory, state.weights, addresses)
        written = weights[:, self.read_heads :] * inside[:, None, None]
        memory = write(state.memory, written, erase, add)
        reads = (weights[:, : self.read_heads] @ memory).flatten(1)  # [B, R · M]
        return TuringState(hidden, cell, reads, memory, weights)

    def asked(self, hidden: Tensor) -> tuple[Addresses, Tensor, Tensor]:
        """Addresses of all heads, and float[B, W, M] what is erased and what is added."""
        size, heads = self.memory_size, self.read_heads + self.write_heads
        of_heads, changes = self.heads(hidden).tensor_split([heads * self.address_size], dim=1)
        of_heads = of_heads.unflatten(1, (heads, self.address_size))
        keys, numbers, shifts = of_heads.tensor_split([size, size + 3], dim=2)
        strengths, sharpness = F.softplus(numbers[:, :, :1]), 1 + F.softplus(numbers[:, :, 1:2])
        gates = numbers[:, :, 2:].sigmoid()
        asked = Addresses(keys, strengths, gates, shifts.softmax(dim=2), sharpness)
        erase, add = changes.unflatten(1, (2, self.write_heads, size)).unbind(dim=1)
        return asked, erase.sigmoid(), add.tanh()
