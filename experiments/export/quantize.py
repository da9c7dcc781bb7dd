"""Tables of 8-bit integers in the place of floating-point ones, and 8-bit products in ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.forms.sums import Table

_GROUP = 16  # values that share a scale, where a row has fewer
_BLOCK = 64  # weights of a column that share a scale
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
    """Replace the large fp32 and fp16 tables and embeddings of a module, in place."""
    for name, child in list(module.named_children()):
        weight = getattr(child, "weight", None)
        if isinstance(child, Table | nn.Embedding):
            assert isinstance(weight, Tensor)
            if weight.numel() >= _SMALL and weight.dtype in (torch.float32, torch.float16):
                setattr(module, name, QuantizedTable(weight.detach()))
        else:
            quantize_tables(child)


def quantize_products(file: Path) -> None:
    """Store the matrices of an ONNX file in 8 bits, in place.

    The weights of a column share a scale in blocks, and so do the values that they are multiplied
    with (`accuracy_level` 4). With one scale for all values of a layer, as dynamic quantisation
    has it, the few large ones of encoders leave no digits for the others.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(
        onnx.load(file), bits=8, block_size=_BLOCK, is_symmetric=True, accuracy_level=4
    )
    quantizer.process()
    onnx.save(quantizer.model.model, file)
