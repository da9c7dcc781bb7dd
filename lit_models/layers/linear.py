"""Matrix products with a table on a CPU, by oneDNN, forward and backward.

`F.linear` calls MKL there, which uses AVX-512 on Intel's processors only; oneDNN uses it on those
of any vendor. Billions of operations a second of [4096, 256] × [256, 1003] and of the two products
of its gradient, one thread of an AMD EPYC, torch 2.13: MKL 76, 103 and 101; oneDNN 228, 225 and
140.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.backends import mkldnn

# Multiply-adds below which `F.linear` is as fast: oneDNN takes 0.7 ms to make a kernel for a number
# of rows that it has not seen, and texts that are predicted one by one have many lengths.
_LEAST = 2**26


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`: float[N, O] from float[N, I], float[O, I] and float[O]."""
    if not _by_onednn(inputs, weight):
        return F.linear(inputs, weight, bias)
    result: Tensor = _Linear.apply(inputs, weight, bias)
    return result


class Linear(nn.Linear):
    """`nn.Linear` by `linear`."""

    def forward(self, inputs: Tensor) -> Tensor:
        """float[…, O] from float[…, I]."""
        rows = inputs.flatten(0, -2) if inputs.ndim > 2 else inputs
        return linear(rows, self.weight, self.bias).view(*inputs.shape[:-1], len(self.weight))


def multiply_by_onednn(module: nn.Module) -> None:
    """Make each `nn.Linear` within a module a `Linear`, in place; parameters and names stay."""
    for part in module.modules():
        if type(part) is nn.Linear:
            part.__class__ = Linear


def flop_formulas() -> dict[Any, Callable[..., int]]:
    """Formula of oneDNN's product, which `torch.utils.flop_counter` does not know itself."""
    return {torch.ops.mkldnn._linear_pointwise: _flops} if _known() else {}


def _flops(inputs: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Multiplications and additions, from the shapes of the arguments."""
    count: int = 2 * inputs[0] * inputs[1] * weight[0]
    return count


def _known() -> bool:
    # The operator is torch.compile's own and may change: without it, `F.linear` does.
    return mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _by_onednn(inputs: Tensor, weight: Tensor) -> bool:
    # A program that is exported or compiled is to have PyTorch's own operators. First, as the other
    # questions would break its graph.
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    plain = inputs.dtype == weight.dtype == torch.float32 and inputs.device.type == "cpu"
    large = inputs.numel() * len(weight) >= _LEAST
    return plain and _known() and inputs.ndim == 2 and large


def _product(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    bias = bias if bias is None else bias.contiguous()  # its strides are not looked at
    result: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return result


def _weight_gradient(gradient: Tensor, inputs: Tensor) -> Tensor:
    """float[O, I] Gᵀ X of float[N, O] and float[N, I].

    As that of a convolution over rows it takes half of the time of a product, for which oneDNN
    transposes both.
    """
    rows, columns = (one[None, None].permute(0, 3, 1, 2) for one in (gradient, inputs))
    weight = inputs.new_empty(gradient.shape[1], inputs.shape[1], 1, 1)
    _, found, _ = torch.ops.aten.convolution_backward(
        rows, columns, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
    )
    result: Tensor = found.flatten(1)
    return result


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _product(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        for_inputs, for_weight, for_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.mT) if for_inputs else None,
            _weight_gradient(gradient, inputs) if for_weight else None,
            gradient.sum(dim=0) if for_bias else None,
        )
