"""Recurrent layers in the form in which they are exported: exact for rows of unequal length.

`lit_models.layers.recurrent` reads all words of a batch in Python or by kernels of one machine,
neither of which can be exported with a dynamic length.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import Pooling
from lit_models.layers.recurrence import reversed_positions
from lit_models.layers.recurrent import Direction, Recurrent
from lit_models.layers.turing import TuringMachine, TuringState

# Blocks of gates in ONNX's order, by their number in PyTorch's: LSTM i f g o → i o f g, GRU
# r z n → z r n.
_ONNX_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}


class _Exported(nn.Module):
    """Layers of a `Recurrent` with its interface; a subclass reads one layer."""

    def __init__(self, recurrent: Recurrent) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.bidirectional, self.output_size = recurrent.bidirectional, recurrent.output_size

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, output_size] states from float[B, T, I]; past a row's length: anything."""
        states = inputs
        for layer in range(len(self.recurrent.layers)):
            states = self.read(layer, states, lengths)
        return states

    def read(self, layer: int, states: Tensor, lengths: Tensor) -> Tensor:
        """States of one layer, in both directions if there are two."""
        raise NotImplementedError

    def pool(self, states: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
        """See `Recurrent.pool`."""
        return self.recurrent.pool(states, lengths, pooling)


class OnnxRecurrent(_Exported):
    """ONNX's own LSTM, GRU and RNN: `sequence_lens` gives the length of each row.

    Its result is that of ONNX Runtime alone: in PyTorch it is zero.
    """

    def __init__(self, recurrent: Recurrent) -> None:
        super().__init__(recurrent)
        readers: list[list[Direction]] = [list(layer) for layer in recurrent.layers]  # type: ignore[call-overload]
        self.cell, self.hidden_size = readers[0][0].cell, recurrent.hidden_size
        for number, directions in enumerate(readers):
            weights = [self._reordered(direction) for direction in directions]
            for name, tensors in zip("WRB", zip(*weights, strict=True), strict=True):
                self.register_buffer(f"{name}{number}", torch.stack(tensors))

    def _reordered(self, direction: Direction) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of words, weights of states and both biases of one direction."""
        weights = [weight.detach() for weight in direction.core.parameters()]
        size, order = self.hidden_size, _ONNX_ORDER[self.cell]
        blocks = [[weight.split(size)[block] for block in order] for weight in weights]
        words, states, *biases = map(torch.cat, blocks)
        return words, states, torch.cat(biases)

    def read(self, layer: int, states: Tensor, lengths: Tensor) -> Tensor:
        words = states.transpose(0, 1)  # [T, B, I]
        inputs = [words, *(getattr(self, f"{name}{layer}") for name in "WRB"), lengths.int()]
        directions = 2 if self.bidirectional else 1
        attributes: dict[str, Any] = {
            "hidden_size": self.hidden_size,
            "direction": "bidirectional" if self.bidirectional else "forward",
        }
        if self.cell == "gru":
            attributes["linear_before_reset"] = 1
        output = torch.onnx.ops.symbolic(
            self.cell.upper(),
            inputs,
            attributes,
            dtype=states.dtype,
            shape=(words.shape[0], directions, words.shape[1], self.hidden_size),
        )
        return output.permute(2, 0, 1, 3).flatten(2)  # [B, T, D · H]


class ScanRecurrent(_Exported):
    """The written equations as `torch.scan` over the words, for `torch.export`."""

    def read(self, layer: int, states: Tensor, lengths: Tensor) -> Tensor:
        readers: list[Direction] = list(self.recurrent.layers[layer])  # type: ignore[call-overload]
        outputs = [_scan(readers[0], states)]
        if self.bidirectional:
            order = reversed_positions(lengths, states.shape[1])
            backward = _scan(readers[1], _reordered_words(states, order))
            outputs.append(_reordered_words(backward, order))
        return torch.cat(outputs, dim=2)


def _reordered_words(states: Tensor, order: Tensor) -> Tensor:
    """[B, T, D] states at int64[B, T] positions."""
    return states.gather(1, order[:, :, None].expand(-1, -1, states.shape[2]))


def _scan(direction: Direction, inputs: Tensor) -> Tensor:
    """float[B, T, H] states of one direction; see `Direction` for the equations."""
    from torch._higher_order_ops.scan import scan

    weight_ih, weight_hh, bias_ih, bias_hh = (w.detach() for w in direction.core.parameters())
    size, cell = direction.hidden_size, direction.cell
    words = F.linear(inputs, weight_ih, bias_ih)  # [B, T, gates · H]
    start = inputs.new_zeros(inputs.shape[0], size)

    def step(state: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
        hidden = F.linear(state[:, :size], weight_hh, bias_hh)
        if cell == "rnn":
            result = (word + hidden).tanh()
            return result, result.clone()
        if cell == "gru":
            reset, update = (word + hidden)[:, : 2 * size].sigmoid().chunk(2, dim=1)
            new = (word[:, 2 * size :] + reset * hidden[:, 2 * size :]).tanh()
            result = (1 - update) * new + update * state
            return result, result.clone()
        i, f, g, o = (word + hidden).chunk(4, dim=1)
        cell_state = f.sigmoid() * state[:, size:] + i.sigmoid() * g.tanh()
        result = o.sigmoid() * cell_state.tanh()
        return torch.cat([result, cell_state], dim=1), result.clone()

    first = torch.cat([start, start], dim=1) if cell == "lstm" else start
    states: Tensor = scan(step, first, words, dim=1)[1]
    return states


class ScanTuringMachine(nn.Module):
    """A `TuringMachine` as `torch.scan` over the words, which ONNX has too."""

    def __init__(self, machine: TuringMachine) -> None:
        super().__init__()
        self.machine = machine
        self.hidden_size, self.read_heads = machine.hidden_size, machine.read_heads
        self.memory_size = machine.memory_size

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `TuringMachine.forward`."""
        from torch._higher_order_ops.scan import scan

        words, inside = self.machine.prepared(inputs, lengths)

        def step(state: Any, given: tuple[Tensor, Tensor]) -> tuple[Any, tuple[Tensor, Tensor]]:
            after = self.machine.step(TuringState(*state), *given)
            return tuple(after), (after.hidden.clone(), after.reads.clone())

        first = tuple(part.clone() for part in self.machine.start(words))
        by_word = words.transpose(0, 1), inside.transpose(0, 1)
        last, (states, reads) = scan(step, first, by_word)
        return states.transpose(0, 1), reads.transpose(0, 1), last[3]


def exportable(module: nn.Module, form: type[_Exported]) -> nn.Module:
    """Replace all recurrent layers of a module, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, Recurrent):
            setattr(module, name, form(child))
        elif isinstance(child, TuringMachine):
            setattr(module, name, ScanTuringMachine(child))
        else:
            exportable(child, form)
    return module
