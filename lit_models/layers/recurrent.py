"""Recurrent layers over padded rows: three cells, one or both directions, one or more layers."""

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
_DENSE: dict[str, Callable[..., Any]] = {
    "rnn": torch.rnn_tanh,
    "gru": torch.gru,
    "lstm": torch.lstm,
}


class Recurrent(nn.Module):
    """All hidden states of a recurrent network, read forward or in both directions.

    With x_t the input, h the state, U the recurrent weights, σ the logistic function (biases left
    out for brevity):
        rnn (Elman 1990):  h_t = tanh(W x_t + U h_{t-1})
        gru (Cho et al. 2014, the reset gate after the product as cuDNN has it):
            r, z = σ(W x_t + U h_{t-1});  n = tanh(W_n x_t + r ⊙ (U_n h_{t-1}));
            h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}
        lstm (Hochreiter & Schmidhuber 1997; Gers et al. 2000):
            i, f, o = σ(W x_t + U h_{t-1});  g = tanh(W_g x_t + U_g h_{t-1});
            c_t = f ⊙ c_{t-1} + i ⊙ g;  h_t = o ⊙ tanh(c_t)

    The backward direction turns each row round within its own length, reads it forward and turns
    the states back, so it never sees padding, and dense kernels serve on a CPU: oneDNN's for the
    LSTM, `recurrence.read` for the others. On a CUDA device the rows are packed instead, and cuDNN
    does not compute padding.

    Recurrent matrices start orthogonal (Saxe et al. 2014), the LSTM's forget gates open (Jozefowicz
    et al. 2015).

    Args:
        cell: kind of cell.
        input_size: I.
        hidden_size: H, of one direction.
        num_layers: how many stand on one another.
        bidirectional: read backwards too.
        dropout: on the states between two layers: whole dimensions of a text.
        recurrent_dropout: on h_{t-1}, one mask for a whole text (Gal & Ghahramani 2016). It leaves
            the fused kernels for a loop over the words, several times slower.
        weight_drop: share of the recurrent weights left out of a batch (Merity et al. 2018), which
            keeps the fused kernels.

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
            own: list[Direction] = list(directions)  # type: ignore[call-overload]
            if all(direction.unfused(states) for direction in own):
                # In bf16 rounding would add up over the words, and k keeps few digits near 1/2.
                with torch.autocast("cpu", enabled=False):
                    weights = [direction.weights() for direction in own]
                    states = recurrence.read(states.to(weights[0][0].dtype), lengths, weights)
                continue
            read = [own[0](states, lengths)]
            if self.bidirectional:
                read.append(reverse(own[1](reverse(states, lengths), lengths), lengths))
            states = torch.cat(read, dim=2) if self.bidirectional else read[0]
        return states

    def pool(self, states: Tensor, lengths: Tensor, how: Pooling) -> Tensor:
        """What speaks for a text: [B, D] of [B, T, D], or [B, 2D] for `mean+max`.

        `last` takes each direction where it has read the whole text: the forward states at the last
        word, the backward states at the first.
        """
        if how == "last":
            forward = last_state(states[:, :, : self.hidden_size], lengths)
            backward = states[:, 0, self.hidden_size :]  # of no width in one direction
            return torch.cat([forward, backward], dim=1)
        return pool(states, lengths, how)

    def pooled_size(self, how: Pooling) -> int:
        """Width of what `pool` returns."""
        return pooled_size(self.output_size, how)


class Direction(nn.Module):
    """One layer read in one direction.

    Args:
        cell: kind of cell.
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
        # Not every CPU has oneDNN's LSTM in bf16, and without it the kernel fails.
        with torch.autocast("cpu", enabled=False):
            return self._read(inputs.to(self._weights()[0].dtype), lengths)

    def unfused(self, inputs: Tensor) -> bool:
        """Whether PyTorch has no fused kernel here, so that `recurrence.read` is the faster."""
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
        """Real words alone, for cuDNN; zeros past a row's length."""
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.core(packed)
        width = inputs.shape[1]
        return pad_packed_sequence(states, batch_first=True, total_length=width)[0]

    def _weights(self) -> list[Tensor]:
        """Input weights, recurrent weights, and the biases of both."""
        return list(self.core.parameters())

    def weights(self) -> list[Tensor]:
        """`_weights`, of which training leaves some recurrent ones out."""
        weights = self._weights()
        weights[1] = F.dropout(weights[1], self.weight_drop, self.training)
        return weights

    def _fused(self, inputs: Tensor) -> Tensor:
        """The fused kernel with some recurrent weights left out."""
        weights = self.weights()
        start = inputs.new_zeros(1, len(inputs), self.hidden_size)
        first = (start, start) if self.cell == "lstm" else start
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        states: Tensor = _DENSE[self.cell](inputs, first, weights, True, 1, 0.0, True, False, True)[
            0
        ]
        return states

    def _loop(self, inputs: Tensor) -> Tensor:
        """Word by word, the equations as they are written."""
        size = self.hidden_size
        weight_ih, weight_hh, bias_ih, bias_hh = self._weights()
        projected = F.linear(inputs, weight_ih, bias_ih)  # [B, T, gates · H]
        state = cell_state = inputs.new_zeros(len(inputs), size)
        mask = F.dropout(torch.ones_like(state), self.recurrent_dropout, self.training)
        states = []
        for word in projected.unbind(dim=1):
            back = F.linear(state * mask, weight_hh, bias_hh)
            if self.cell == "rnn":
                state = (word + back).tanh()
            elif self.cell == "gru":
                reset, update = (word + back)[:, : 2 * size].sigmoid().chunk(2, dim=1)
                new = (word[:, 2 * size :] + reset * back[:, 2 * size :]).tanh()
                state = (1 - update) * new + update * state
            else:
                i, f, g, o = (word + back).chunk(4, dim=1)
                cell_state = f.sigmoid() * cell_state + i.sigmoid() * g.tanh()
                state = o.sigmoid() * cell_state.tanh()
            states.append(state)
        return torch.stack(states, dim=1)


def reverse(states: Tensor, lengths: Tensor) -> Tensor:
    """Turns each row round within its own length; what stands past it stays.

    Args:
        states: [B, T, D].
        lengths: int64[B].
    """
    rows, width, _ = states.shape
    first = torch.arange(rows, device=states.device)[:, None] * width
    result: Tensor = _Permute.apply(states, (first + recurrence.turned(lengths, width)).flatten())
    return result


class _Permute(torch.autograd.Function):
    """Rows put in the order of a permutation that is its own inverse.

    So is its gradient, by the same copy; autograd's own would add up row by row.
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
