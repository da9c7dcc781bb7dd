"""Portable: a model as a module of plain tensors, with what the runner must know to feed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.config.registry import ConfigError


class NotExportable(ConfigError):
    """A model that a format has no form for. The message gives the reason."""


@dataclass
class Portable:
    """A model ready to be exported.

    Attributes:
        module: From the tensors of `example`, by name, to logits float[B, C].
        inputs: Settings of the runner's inputs; `kind` names what builds them.
        example: Inputs to trace with. All their dimensions are dynamic; those that differ here may
            differ.
        arrays: Arrays that the runner needs beside the model.
        window: Size of windows, and of the special tokens at both ends; None: no windows.
        onnx_module: The module for ONNX, where that has operators of its own; None: `module`.
        products: Whether most weights are in matrix products, which `int8` then does in 8 bits.
    """

    module: nn.Module
    inputs: dict[str, Any]
    example: dict[str, Tensor]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    window: list[int] | None = None
    onnx_module: nn.Module | None = None
    products: bool = False


def tokens_example(unknown: int, longest: int) -> dict[str, Tensor]:
    """Three rows, the first of the greatest length.

    A layer that shortens its rows is then traced with more than one position, so that it is not
    taken for one that has always one.
    """
    return {"tokens": torch.full((3, longest), unknown), "lengths": torch.tensor([longest, 3, 1])}


def bags_example(blocks: int) -> dict[str, Tensor]:
    """Three bags of different widths in each block."""
    example = {}
    for number in range(blocks):
        example[f"items_{number}"] = torch.zeros((3, 5 + number), dtype=torch.int64)
        example[f"counts_{number}"] = torch.ones((3, 5 + number))
    return example


def sentences_example(unknown: int) -> dict[str, Tensor]:
    """Seven sentences of up to five words in three texts."""
    return {
        "tokens": torch.full((7, 5), unknown),
        "lengths": torch.tensor([5, 1, 2, 3, 5, 4, 1]),
        "places": torch.tensor([[0, 1, 2, 3], [4, 5, 0, 0], [6, 0, 0, 0]]),
        "counts": torch.tensor([4, 2, 1]),
    }
