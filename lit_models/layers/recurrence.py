"""GRUs and tanh cells for a CPU: few operations a word, both directions in the same ones.

PyTorch has a fused CPU kernel for the LSTM alone. Its GRU and RNN are loops of some ten small
operations for each word and direction, all on autograd's tape. Here a word takes both directions at
once, and the gradient is written out, so that a word costs it two or three operations.

The logistic function σ takes a CPU a fourth of the time of tanh, and tanh a = 2σ(2a) - 1. So with
h = 2k - 1 both cells turn into cells of k without tanh, whose weights are scaled to match:
    rnn:  k_t = σ(w_t + U' k_{t-1}),  w_t = 2 (W x_t + b - U 1),  U' = 4U
    gru:  r, z = σ(w_t + U' k_{t-1}), w_t = W x_t + b - U 1,      U' = 2U
          s = σ(w_t + r ⊙ (U' k_{t-1} + b')),  w_t = 2 (W x_t + b_x),  b' = 2 (b_h - U 1),  U' = 4U
          k_t = (1 - z) ⊙ s + z ⊙ k_{t-1}
The last line, a mean, is the same for h and k. Both begin at h = 0, k = 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.backends import mkldnn

# So many words at a time stay in the cache and on one thread; to wake another takes longer.
_CHUNK = 4
# oneDNN makes a kernel for each number of words it meets, so that they come in multiples of this.
_BLOCK = 512
# out = g ⊙ s ⊙ (1 - s): the gradient g of a logistic function's value s, in one operation
_through_logistic = torch.ops.aten.sigmoid_backward.grad_input


def read(inputs: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """All states of tanh cells or GRUs, of one that reads forward or of another backward too.

    Args:
        inputs: float[B, T, I].
        lengths: int64[B]; the backward one begins at a row's last word.
        weights: of each of the D directions what `torch.nn.RNN` and `torch.nn.GRU` hold: float[G,
            I] for the words, float[G, H] for the states, and a bias float[G] of each. G is H for
            tanh cells, 3H for GRUs (reset, update, new).

    Returns:
        float[B, T, D · H]; past a row's length: garbage.
    """
    rows, width, _ = inputs.shape
    count = len(weights)
    of_words, of_states, bias, inner = (torch.stack(kind) for kind in zip(*weights, strict=True))
    gates, size = of_states.shape[1:]
    # What is read when, int64[D, T, B], as places in [B, T, D]; and the other way round.
    places = [torch.arange(width).expand(rows, width), reversed_positions(lengths, width)][:count]
    order = torch.stack(places).mT + width * torch.arange(rows)
    order = order * count + torch.arange(count)[:, None, None]
    number = torch.arange(order.numel())
    back = torch.empty_like(number).scatter_(0, order.flatten(), number)
    inner = inner - of_states.sum(dim=2)  # U h = 2U k - U 1
    if gates == size:
        words = _project(inputs, 2 * of_words, 2 * (bias + inner))
        states: Tensor = _Tanh.apply(words, 4 * of_states, order, back)
    else:
        scale = torch.ones_like(bias)
        scale[:, 2 * size :] = 2  # the only one of the three with a tanh
        bias = scale * bias + F.pad(inner[:, : 2 * size], (0, size))
        scale = scale[:, :, None]
        words = _project(inputs, scale * of_words, bias)
        inner = 2 * inner[:, 2 * size :]  # what the reset gate multiplies
        states = _GRU.apply(words, 2 * scale * of_states, inner, order, back)
    return states.view(rows, width, -1)


def reversed_positions(lengths: Tensor, width: int) -> Tensor:
    """int64[B, T], the places of each row from its last word to its first; past it they stay."""
    column = torch.arange(width, device=lengths.device)[None, :].expand(len(lengths), width)
    return torch.where(column < lengths[:, None], lengths[:, None] - 1 - column, column)


def _project(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """float[N, G], the w_t of all words, N ≥ B · T · D, from weights float[D, G, I].

    A convolution one word wide is what `F.linear` computes, but by oneDNN, which uses AVX-512 on
    any processor that has it, as MKL's matrix product does on Intel's alone.
    """
    words, gates = inputs.flatten(0, 1), bias.shape[1]
    weights, bias = weights.flatten(0, 1), bias.flatten()
    missing = -len(words) % _BLOCK
    if missing > len(words) or words.dtype != torch.float32 or not mkldnn.is_available():
        return F.linear(words, weights, bias).view(-1, gates)
    if missing:
        words = F.pad(words, (0, 0, 0, missing))
    image = words[None, None].permute(0, 3, 1, 2)  # [1, I, 1, B · T], channels last
    projected = F.conv2d(image, weights[:, :, None, None], bias)
    return projected.permute(0, 2, 3, 1).reshape(-1, gates)


class _Tanh(torch.autograd.Function):
    """float[B · T · D, H] states h of tanh cells, from the w_t and U'."""

    @staticmethod
    def forward(ctx: Any, words: Tensor, weights: Tensor, order: Tensor, back: Tensor) -> Tensor:
        k = words.index_select(0, order.flatten()).view(*order.shape, -1)  # w_t first
        transposed, state = weights.mT.contiguous(), torch.full_like(k[:, 0], 0.5)
        for here in k.unbind(dim=1):
            state = here.baddbmm_(state, transposed).sigmoid_()
        ctx.save_for_backward(weights, order, back, k)
        ctx.rows = len(words)
        return _h(k, back)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, order, back, k = ctx.saved_tensors
        sums = gradient.index_select(0, order.flatten()).view_as(k)
        # From the last word on, the gradient of a state gives way to that of what σ is of; half of
        # it, for want of the 2 between the gradients of h and k.
        here, states = sums.unbind(dim=1), k.unbind(dim=1)
        arriving = here[-1]
        product = torch.empty_like(arriving, memory_format=torch.contiguous_format)
        for t in reversed(range(len(here))):
            _through_logistic(arriving, states[t], grad_input=here[t])
            if t:
                arriving = torch.baddbmm(here[t - 1], here[t], weights, out=product)
        return _of_words(sums, back, ctx.rows), 2 * _of_weights(sums, k), None, None


class _GRU(torch.autograd.Function):
    """float[B · T · D, H] states h of GRUs, from the w_t, U' and b'."""

    @staticmethod
    def forward(
        ctx: Any, words: Tensor, weights: Tensor, inner: Tensor, order: Tensor, back: Tensor
    ) -> Tensor:
        size = weights.shape[2]
        # w_t first, then r, z and s in its place
        gates = words.index_select(0, order.flatten()).view(*order.shape, 3 * size)
        k = gates.new_empty(*order.shape, size)
        drawn = torch.empty_like(k)  # U' k + b', what the reset gate multiplies
        transposed, inner = weights.mT.contiguous(), inner[:, None]
        state = torch.full_like(k[:, 0], 0.5)
        product = state.new_empty(*state.shape[:2], 3 * size)
        of_gates, of_new = product[..., : 2 * size], product[..., 2 * size :]
        for both, reset, update, new, inside, here in zip(
            gates[..., : 2 * size].unbind(dim=1),
            *(gate.unbind(dim=1) for gate in gates.split(size, dim=3)),
            drawn.unbind(dim=1),
            k.unbind(dim=1),
            strict=True,
        ):
            torch.bmm(state, transposed, out=product)
            both.add_(of_gates).sigmoid_()
            torch.add(of_new, inner, out=inside)
            new.addcmul_(reset, inside).sigmoid_()
            state = torch.lerp(new, state, update, out=here)
        ctx.save_for_backward(weights, order, back, gates, drawn, k)
        ctx.rows = len(words)
        return _h(k, back)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, order, back, gates, drawn, k = ctx.saved_tensors
        size = k.shape[3]
        gradient = gradient.index_select(0, order.flatten()).view_as(k)
        # Four factors that a state's gradient is multiplied by: on its way into what r multiplies,
        # into r, z and s. The first three belong to U' k + b', the last three to w_t.
        sums = k.new_empty(*order.shape, 4 * size)
        befores = [torch.full_like(k[:, :1], 0.5), *k[:, :-1].split(_CHUNK, dim=1)]
        cut = ([x[:, :1], *x[:, 1:].split(_CHUNK, dim=1)] for x in (gates, drawn, sums))
        for before, own, inside, chunk in zip(befores, *cut, strict=True):
            r, z, s = own.split(size, dim=3)
            to_inside, to_r, to_z, to_s = chunk.split(size, dim=3)
            _through_logistic(1 - z, s, grad_input=to_s)
            torch.mul(to_s, r, out=to_inside)
            _through_logistic(to_s * inside, r, grad_input=to_r)
            _through_logistic(before - s, z, grad_input=to_z)
        rolled = weights.roll(size, dims=1)  # new, reset, update
        given, updates = gradient.unbind(dim=1), gates[..., size : 2 * size].unbind(dim=1)
        spread = sums.unflatten(3, (4, size)).unbind(dim=1)
        returned = sums[..., : 3 * size].unbind(dim=1)
        # Half the gradient of k, which is that of h; then that of the state before.
        arriving = given[-1].clone(memory_format=torch.contiguous_format)
        earlier = torch.empty_like(arriving)
        for t in reversed(range(len(given))):
            spread[t].mul_(arriving[:, :, None])
            if t:
                torch.addcmul(given[t - 1], arriving, updates[t], out=earlier)
                earlier.baddbmm_(returned[t], rolled)
                arriving, earlier = earlier, arriving
        of_words = _of_words(sums[..., size:], back, ctx.rows)
        of_weights = 2 * _of_weights(sums[..., : 3 * size], k).roll(-size, dims=1)
        of_inner = 2 * sums[..., :size].flatten(1, 2).sum(dim=1)
        return of_words, of_weights, of_inner, None, None


def _of_words(sums: Tensor, back: Tensor, rows: int) -> Tensor:
    """The gradient of the w_t, each where its word stands, from half of it, float[D, T, B, G]."""
    result = sums.new_empty(rows, sums.shape[3])
    torch.index_select(sums.flatten(0, 2), 0, back, out=result[: len(back)])
    result[len(back) :] = 0
    return result.mul_(2)


def _of_weights(sums: Tensor, k: Tensor) -> Tensor:
    """The gradient of U', float[D, G, H], from those of U' k_{t-1}, float[D, T, B, G]."""
    later = sums[:, 1:].flatten(1, 2).mT.bmm(k[:, :-1].flatten(1, 2))
    return later + 0.5 * sums[:, 0].sum(dim=1)[:, :, None]  # k_0 = 1/2


def _h(k: Tensor, back: Tensor) -> Tensor:
    """2k - 1, each where its word stands."""
    return k.flatten(0, 2).index_select(0, back).mul_(2).sub_(1)
