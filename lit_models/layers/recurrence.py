"""GRU and tanh (Elman) layers for a CPU, with gradients written by hand.

Forward and backward pass against PyTorch's layers, bidirectional, 32 rows, hidden size 128, 200 and
400 steps, medians of 9 pairs by `python -m experiments.speed.recurrence --pairs 9` on an AMD EPYC:
`nn.RNN` takes 1.32 and 1.46 times as long on one thread, 1.88 and 2.03 times on two; `nn.GRU` 1.29
and 1.15 times on one thread, 1.80 and 1.33 times on two.

PyTorch has a fused CPU kernel only for the LSTM. Its GRU and RNN are loops of about ten small
operations for each word and direction, each recorded by autograd. Here one operation computes both
directions, and the gradient takes two or three operations for each word.

On a CPU the logistic function σ takes a fourth of the time of tanh, and tanh a = 2σ(2a) - 1. With
h = 2k - 1 both cells become cells of k without tanh, with scaled weights:
    rnn:  k_t = σ(w_t + U' k_{t-1}),  w_t = 2 (W x_t + b - U 1),  U' = 4U
    gru:  r, z = σ(w_t + U' k_{t-1}), w_t = W x_t + b - U 1,      U' = 2U
          s = σ(w_t + r ⊙ (U' k_{t-1} + b')),  w_t = 2 (W x_t + b_x),  b' = 2 (b_h - U 1),  U' = 4U
          k_t = (1 - z) ⊙ s + z ⊙ k_{t-1}
The last line is the same for h and k, being a weighted mean. The first state is h = 0, k = 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lit_models.layers.linear import linear

# Chunks of this many words fit into the cache, and are too small for PyTorch to use two threads.
_CHUNK = 4
# out = g ⊙ s ⊙ (1 - s), the gradient of σ where its value is s and g that value's gradient
_through_logistic = torch.ops.aten.sigmoid_backward.grad_input


def read(inputs: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """All states of tanh cells or GRUs, forward or in both directions.

    Args:
        inputs: float[B, T, I].
        lengths: int64[B]; the backward direction begins at a row's last word.
        weights: weights of each of the D directions as in `torch.nn.RNN` and `torch.nn.GRU`:
            float[G, I] of the words, float[G, H] of the states, and a bias float[G] of each. G is
            H for tanh cells and 3H for GRUs (reset, update, new).

    Returns:
        float[B, T, D · H]; past a row's length: garbage.
    """
    rows, width, _ = inputs.shape
    count = len(weights)
    of_words, of_states, bias, inner = (torch.stack(kind) for kind in zip(*weights, strict=True))
    gates, size = of_states.shape[1:]
    # Index into [B, T, D] of the word read at each step, int64[D, T, B], and its inverse.
    places = [torch.arange(width).expand(rows, width), reversed_positions(lengths, width)][:count]
    order = torch.stack(places).mT + width * torch.arange(rows)
    order = order * count + torch.arange(count)[:, None, None]
    number = torch.arange(order.numel())
    inverse = torch.empty_like(number).scatter_(0, order.flatten(), number)
    inner = inner - of_states.sum(dim=2)  # U h = 2U k - U 1
    if gates == size:
        words = _project(inputs, 2 * of_words, 2 * (bias + inner))
        states: Tensor = _Tanh.apply(words, 4 * of_states, order, inverse)
    else:
        scale = torch.ones_like(bias)
        scale[:, 2 * size :] = 2  # only the new gate has a tanh
        bias = scale * bias + F.pad(inner[:, : 2 * size], (0, size))
        scale = scale[:, :, None]
        words = _project(inputs, scale * of_words, bias)
        inner = 2 * inner[:, 2 * size :]  # what the reset gate multiplies
        states = _GRU.apply(words, 2 * scale * of_states, inner, order, inverse)
    return states.view(rows, width, -1)


def reversed_positions(lengths: Tensor, width: int) -> Tensor:
    """int64[B, T] positions of each row from its last word to its first; padding stays."""
    column = torch.arange(width, device=lengths.device)[None, :].expand(lengths.shape[0], width)
    return torch.where(column < lengths[:, None], lengths[:, None] - 1 - column, column)


def _project(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """float[B · T · D, G] w_t of all words, from float[D, G, I] weights."""
    words, gates = inputs.flatten(0, 1), bias.shape[1]
    return linear(words, weights.flatten(0, 1), bias.flatten()).view(-1, gates)


class _Tanh(torch.autograd.Function):
    """float[B · T · D, H] states h of tanh cells from w_t and U'."""

    @staticmethod
    def forward(ctx: Any, words: Tensor, weights: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        k = words.index_select(0, order.flatten()).view(*order.shape, -1)  # w_t, replaced by k_t
        transposed, state = weights.mT.contiguous(), torch.full_like(k[:, 0], 0.5)
        for here in k.unbind(dim=1):
            state = here.baddbmm_(state, transposed).sigmoid_()
        ctx.save_for_backward(weights, order, inverse, k)
        return _states(k, inverse)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, order, inverse, k = ctx.saved_tensors
        sums = gradient.index_select(0, order.flatten()).view_as(k)
        # From the last word to the first, the gradient of h_t is replaced by half the gradient of
        # the argument of σ: half, as the factor 2 from h to k is applied at the end.
        here, states = sums.unbind(dim=1), k.unbind(dim=1)
        arriving = here[-1]
        product = torch.empty_like(arriving, memory_format=torch.contiguous_format)
        for t in reversed(range(len(here))):
            _through_logistic(arriving, states[t], grad_input=here[t])
            if t:
                arriving = torch.baddbmm(here[t - 1], here[t], weights, out=product)
        return _word_gradient(sums, inverse), 2 * _weight_gradient(sums, k), None, None


class _GRU(torch.autograd.Function):
    """float[B · T · D, H] states h of GRUs from w_t, U' and b'."""

    @staticmethod
    def forward(
        ctx: Any, words: Tensor, weights: Tensor, inner: Tensor, order: Tensor, inverse: Tensor
    ) -> Tensor:
        size = weights.shape[2]
        # w_t, replaced by r, z and s
        gates = words.index_select(0, order.flatten()).view(*order.shape, 3 * size)
        k = gates.new_empty(*order.shape, size)
        products = torch.empty_like(k)  # U' k + b', which the reset gate multiplies
        transposed, inner = weights.mT.contiguous(), inner[:, None]
        state = torch.full_like(k[:, 0], 0.5)
        product = state.new_empty(*state.shape[:2], 3 * size)
        of_gates, of_new = product[..., : 2 * size], product[..., 2 * size :]
        for both, reset, update, new, inside, here in zip(
            gates[..., : 2 * size].unbind(dim=1),
            *(gate.unbind(dim=1) for gate in gates.split(size, dim=3)),
            products.unbind(dim=1),
            k.unbind(dim=1),
            strict=True,
        ):
            torch.bmm(state, transposed, out=product)
            both.add_(of_gates).sigmoid_()
            torch.add(of_new, inner, out=inside)
            new.addcmul_(reset, inside).sigmoid_()
            state = torch.lerp(new, state, update, out=here)
        ctx.save_for_backward(weights, order, inverse, gates, products, k)
        return _states(k, inverse)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, order, inverse, gates, products, k = ctx.saved_tensors
        size = k.shape[3]
        gradient = gradient.index_select(0, order.flatten()).view_as(k)
        # Four derivatives of a state: by what r multiplies, and by the arguments of r, z and s. The
        # first three are those by U' k + b', the last three those by w_t.
        sums = k.new_empty(*order.shape, 4 * size)
        befores = [torch.full_like(k[:, :1], 0.5), *k[:, :-1].split(_CHUNK, dim=1)]
        cut = ([x[:, :1], *x[:, 1:].split(_CHUNK, dim=1)] for x in (gates, products, sums))
        for before, values, inside, chunk in zip(befores, *cut, strict=True):
            r, z, s = values.split(size, dim=3)
            to_inside, to_r, to_z, to_s = chunk.split(size, dim=3)
            _through_logistic(1 - z, s, grad_input=to_s)
            torch.mul(to_s, r, out=to_inside)
            _through_logistic(to_s * inside, r, grad_input=to_r)
            _through_logistic(before - s, z, grad_input=to_z)
        rolled = weights.roll(size, dims=1)  # new, reset, update
        given, updates = gradient.unbind(dim=1), gates[..., size : 2 * size].unbind(dim=1)
        spread = sums.unflatten(3, (4, size)).unbind(dim=1)
        returned = sums[..., : 3 * size].unbind(dim=1)
        # Half the gradient of k_t, which equals that of h_t, and then of k_{t-1}.
        arriving = given[-1].clone(memory_format=torch.contiguous_format)
        earlier = torch.empty_like(arriving)
        for t in reversed(range(len(given))):
            spread[t].mul_(arriving[:, :, None])
            if t:
                torch.addcmul(given[t - 1], arriving, updates[t], out=earlier)
                earlier.baddbmm_(returned[t], rolled)
                arriving, earlier = earlier, arriving
        of_words = _word_gradient(sums[..., size:], inverse)
        of_weights = 2 * _weight_gradient(sums[..., : 3 * size], k).roll(-size, dims=1)
        of_inner = 2 * sums[..., :size].flatten(1, 2).sum(dim=1)
        return of_words, of_weights, of_inner, None, None


def _word_gradient(sums: Tensor, inverse: Tensor) -> Tensor:
    """float[N, G] gradient of w_t in the order of the words, from float[D, T, B, G] half of it."""
    return sums.flatten(0, 2).index_select(0, inverse).mul_(2)


def _weight_gradient(sums: Tensor, k: Tensor) -> Tensor:
    """float[D, G, H] gradient of U' from float[D, T, B, G] gradients of U' k_{t-1}."""
    later = sums[:, 1:].flatten(1, 2).mT.bmm(k[:, :-1].flatten(1, 2))
    return later + 0.5 * sums[:, 0].sum(dim=1)[:, :, None]  # k_0 = 1/2


def _states(k: Tensor, inverse: Tensor) -> Tensor:
    """h = 2k - 1 in the order of the words."""
    return k.flatten(0, 2).index_select(0, inverse).mul_(2).sub_(1)
