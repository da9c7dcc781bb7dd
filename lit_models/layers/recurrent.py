"""Recurrent layers over padded rows: three cells, one or two directions, any number of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lit_models.layers import recurrence
from lit_models.layers.dropout import TextDropout
from lit_models.layers.masking import Pooling, last_state, pool, pooled_size

Cell = Literal["rnn", "gru", "lstm"]
_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
_DENSE: dict[str, Any] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}


class Recurrent(nn.Module):
    """All hidden states of a recurrent network in one or both directions.

    With x_t the input, h the state, U the recurrent weights and σ the logistic function (biases
    omitted):
        rnn (Elman 1990):  h_t = tanh(W x_t + U h_{t-1})
        gru (Cho et al. 2014, with the reset gate after the product, as in cuDNN):
            r, z = σ(W x_t + U h_{t-1});  n = tanh(W_n x_t + r ⊙ (U_n h_{t-1}));
            h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}
        lstm (Hochreiter & Schmidhuber 1997; Gers et al. 2000):
            i, f, o = σ(W x_t + U h_{t-1});  g = tanh(W_g x_t + U_g h_{t-1});
            c_t = f ⊙ c_{t-1} + i ⊙ g;  h_t = o ⊙ tanh(c_t)

    The backward direction reverses each row within its length, reads it forward and reverses the
    states, so that it never reads padding and dense kernels can be used on a CPU: oneDNN's for the
    LSTM, `recurrence.read` for the others. On a CUDA device the rows are packed, so that cuDNN does
    not compute padding.

    Recurrent matrices start orthogonal (Saxe et al. 2014) and the biases of the LSTM's forget gates
    at 1 (Jozefowicz et al. 2015).

    Args:
        cell: type of cell.
        input_size: I.
        hidden_size: H, of one direction.
        num_layers: number of stacked layers.
        bidirectional: also read backward.
        dropout: dropout of whole dimensions of a text on the states between two layers.
        recurrent_dropout: dropout on h_{t-1}, with one mask for a whole text (Gal & Ghahramani
            2016). It replaces the fused kernels by a loop over the words, several times slower.
        weight_drop: dropout of recurrent weights, with one mask for a batch (Merity et al. 2018);
            works with the fused kernels.

    Attributes:
        output_size: width of a state, H or 2H.

    Raises:
        ValueError: an unknown cell.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in _CELLS:
            raise ValueError(f"cell is {cell!r}; choose one of {get_args(Cell)}")
        self.hidden_size, self.bidirectional = hidden_size, bidirectional
        self.output_size = hidden_size * (2 if bidirectional else 1)
        drops = recurrent_dropout, weight_drop
        directions = 2 if bidirectional else 1
        self.layers = nn.ModuleList(
            nn.ModuleList(
                Direction(cell, self.output_size if layer else input_size, hidden_size, *drops)
                for _ in range(directions)
            )
            for layer in range(num_layers)
        )
        self.dropout = TextDropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, output_size] states from float[B, T, I]; past a row's length: garbage."""
        states = inputs
        for number, directions in enumerate(self.layers):
            if number:
                states = self.dropout(states)
            readers: list[Direction] = list(directions)  # type: ignore[call-overload]
            if all(reader.unfused(states) for reader in readers):
                # In bf16 rounding errors of k, near 1/2, would accumulate over the words.
                with torch.autocast("cpu", enabled=False):
                    weights = [reader.weights() for reader in readers]
                    states = recurrence.read(states.to(weights[0][0].dtype), lengths, weights)
                continue
            outputs = [readers[0](states, lengths)]
            if self.bidirectional:
                backward = readers[1](reverse(states, lengths), lengths)
                outputs.append(reverse(backward, lengths))
            states = torch.cat(outputs, dim=2) if self.bidirectional else outputs[0]
        return states

    def pool(self, states: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
        """[B, D] pooled states of [B, T, D], or [B, 2D] for `mean+max`.

        `last` is the forward state at the last word and the backward state at the first.
        """
        if pooling == "last":
            forward = last_state(states[:, :, : self.hidden_size], lengths)
            backward = states[:, 0, self.hidden_size :]  # empty if unidirectional
            return torch.cat([forward, backward], dim=1)
        return pool(states, lengths, pooling)

    def pooled_size(self, pooling: Pooling) -> int:
        """Width of the states that `pool` returns."""
        return pooled_size(self.output_size, pooling)


class Direction(nn.Module):
    """One layer in one direction.

    Args:
        cell: type of cell.
        input_size: I.
        hidden_size: H.
        recurrent_dropout: see `Recurrent`.
        weight_drop: see `Recurrent`.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell, self.hidden_size = cell, hidden_size
        self.recurrent_dropout, self.weight_drop = recurrent_dropout, weight_drop
        self.core = _CELLS[cell](input_size, hidden_size, batch_first=True)
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights()
        with torch.no_grad():
            for block in weight_hh.split(hidden_size):
                nn.init.orthogonal_(block)
            for block in weight_ih.split(hidden_size):
                nn.init.xavier_uniform_(block)
            bias_ih.zero_()
            bias_hh.zero_()
            if cell == "lstm":
                bias_ih[hidden_size : 2 * hidden_size] = 1.0

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, H] states from float[B, T, I]; past a row's length: garbage."""
        if inputs.device.type != "cpu":
            return self._read(inputs, lengths)
        # On a CPU for which oneDNN has no LSTM in bf16 the kernel fails.
        with torch.autocast("cpu", enabled=False):
            return self._read(inputs.to(self._weights()[0].dtype), lengths)

    def carry(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """States of float[B, T, I] full rows, and the state after them, from the one before.

        Args:
            inputs: float[B, T, I].
            state: h, and for the LSTM c, float[B, H] each.
        """
        if inputs.device.type == "cpu":  # as in `forward`
            with torch.autocast("cpu", enabled=False):
                return self._carry(inputs.to(self._weights()[0].dtype), state)
        return self._carry(inputs, state)

    def _carry(
        self, inputs: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.training and self.recurrent_dropout:
            return self._loop_from(inputs, state)
        parts = tuple(part[None].to(inputs.dtype) for part in state)
        states, *last = self._dense(inputs, parts if self.cell == "lstm" else parts[0])
        return states, tuple(part[0] for part in last)

    def unfused(self, inputs: Tensor) -> bool:
        """True where PyTorch has no fused kernel and `recurrence.read` is faster."""
        exact = self._weights()[0].dtype in (torch.float32, torch.float64)
        looped = self.training and self.recurrent_dropout > 0
        return inputs.device.type == "cpu" and self.cell != "lstm" and exact and not looped

    def _read(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        if self.training and self.recurrent_dropout:
            return self._loop(inputs)
        if self.training and self.weight_drop:
            return self._fused(inputs)
        if inputs.is_cuda:
            return self._packed(inputs, lengths)
        states: Tensor = self.core(inputs)[0]
        return states

    def _packed(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """cuDNN's kernel on packed rows; zeros past a row's length."""
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.core(packed)
        width = inputs.shape[1]
        return pad_packed_sequence(states, batch_first=True, total_length=width)[0]

    def _weights(self) -> list[Tensor]:
        """Input weights, recurrent weights, and biases of both."""
        return list(self.core.parameters())

    def weights(self) -> list[Tensor]:
        """`_weights`, with weight drop on the recurrent ones in training."""
        weights = self._weights()
        weights[1] = F.dropout(weights[1], self.weight_drop, self.training)
        return weights

    def _fused(self, inputs: Tensor) -> Tensor:
        """Fused kernel with weight drop."""
        start = inputs.new_zeros(1, len(inputs), self.hidden_size)
        states: Tensor = self._dense(inputs, (start, start) if self.cell == "lstm" else start)[0]
        return states

    def _dense(self, inputs: Tensor, first: Any) -> tuple[Tensor, ...]:
        """Fused kernel from a first state [1, B, H], with weight drop."""
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        found: tuple[Tensor, ...] = _DENSE[self.cell](
            inputs, first, self.weights(), True, 1, 0.0, True, False, True
        )
        return found

    def _loop(self, inputs: Tensor) -> Tensor:
        """The written equations, word by word."""
        start = inputs.new_zeros(len(inputs), self.hidden_size)
        return self._loop_from(inputs, (start, start))[0]

    def _loop_from(
        self, inputs: Tensor, start: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """`_loop` from a first state, h and c, and the last as `carry` returns it."""
        size = self.hidden_size
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights()
        projected = F.linear(inputs, weight_ih, bias_ih)  # [B, T, gates · H]
        state, cell_state = start[0], start[-1]
        mask = F.dropout(torch.ones_like(state), self.recurrent_dropout, self.training)
        states = []
        for word in projected.unbind(dim=1):
            recurrent = F.linear(state * mask, weight_hh, bias_hh)
            if self.cell == "rnn":
                state = (word + recurrent).tanh()
            elif self.cell == "gru":
                reset, update = (word + recurrent)[:, : 2 * size].sigmoid().chunk(2, dim=1)
                new = (word[:, 2 * size :] + reset * recurrent[:, 2 * size :]).tanh()
                state = (1 - update) * new + update * state
            else:
                i, f, g, o = (word + recurrent).chunk(4, dim=1)
                cell_state = f.sigmoid() * cell_state + i.sigmoid() * g.tanh()
                state = o.sigmoid() * cell_state.tanh()
            states.append(state)
        last = (state, cell_state) if self.cell == "lstm" else (state,)
        return torch.stack(states, dim=1), last


def reverse(states: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each row within its length; positions past it stay.

    Args:
        states: [B, T, D].
        lengths: int64[B].
    """
    rows, width, _ = states.shape
    first = torch.arange(rows, device=states.device)[:, None] * width
    order = (first + recurrence.reversed_positions(lengths, width)).flatten()
    result: Tensor = _Permute.apply(states, order)
    return result


class _Permute(torch.autograd.Function):
    """Permutation of rows that is its own inverse, and so the gradient's permutation too.

    Autograd's gradient of `index_select` adds row by row, which is slower than this copy.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return states.flatten(0, 1).index_select(0, order).view_as(states)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        gradient = gradients[0]
        return gradient.flatten(0, 1).index_select(0, order).view_as(gradient), None
