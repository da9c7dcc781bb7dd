"""Tables of 8-bit integers in the place of fp32 ones, and 8-bit products in ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.forms.sums import Table

_GROUP = 16  # values that share a scale, where a row has fewer
_SMALL = 4096  # values of tables that stay as they are


class QuantizedTable(nn.Module):
    """Rows of a matrix of 8-bit integers times a scale.

    Each row has a scale of its own; rows of fewer than 16 values share one with their neighbours.

    Args:
        weight: float[F, E].
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        count, width = weight.shape
        self.rows = max(1, _GROUP // width)
        groups = -(-count // self.rows)
        padded = torch.zeros(groups * self.rows, width)
        padded[:count] = weight.float()
        groups_of = padded.view(groups, -1)
        scales = groups_of.abs().amax(dim=1).clamp(min=1e-12) / 127  # [G]
        codes = (groups_of / scales[:, None]).round().to(torch.int8)
        self.register_buffer("codes", codes.view(-1, width)[:count].clone())
        self.register_buffer("scales", scales)

    @property
    def weight(self) -> Tensor:
        """float32[F, E] all rows, for layers that read the table itself."""
        every: Tensor = self(torch.arange(len(self.codes)))
        return every

    def forward(self, items: Tensor) -> Tensor:
        """float32[…, E] from int64[…]."""
        group = items if self.rows == 1 else items // self.rows
        return self.codes[items].float() * self.scales[group].unsqueeze(-1)


def quantize_tables(module: nn.Module) -> None:
    """Replace the large fp32 tables and embeddings of a module, in place."""
    for name, child in list(module.named_children()):
        weight = getattr(child, "weight", None)
        if isinstance(child, Table | nn.Embedding):
            assert isinstance(weight, Tensor)
            if weight.numel() >= _SMALL and weight.dtype == torch.float32:
                setattr(module, name, QuantizedTable(weight.detach()))
        else:
            quantize_tables(child)


def quantize_products(file: Path) -> None:
    """Compute the matrix products of an ONNX file in 8 bits, in place."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        file,
        file,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
