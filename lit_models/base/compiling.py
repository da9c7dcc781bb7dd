"""torch.compile for the networks that gain by it."""

from __future__ import annotations

import os
import shutil
import sys

import torch
from torch import nn


def compile_net(net: nn.Module | None, device: torch.device) -> None:
    """Compiles a network in place, at its first batch, once for all batch widths.

    In place, so that names in `state_dict` stay as they are and a checkpoint of a compiled network
    is that of a plain one. Dropout draws other numbers than without compiling.

    Args:
        net: the network; None where a model has none.
        device: where it will run.

    Raises:
        ValueError: there is no network, it has recurrent layers, or a CPU has no C++ compiler.
    """
    if net is None:
        raise ValueError("compile is true and this model is no network; set --model.compile false")
    if any(isinstance(module, nn.RNNBase) for module in net.modules()):
        raise ValueError(
            "compile is true and the network has recurrent layers, whose kernels are fused already "
            "and which torch.compile would take apart; set --model.compile false"
        )
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise ValueError(
            f"compile is true and no C++ compiler {compiler!r} is found, which torch.compile needs "
            "on a CPU; install one, name it in $CXX, or set --model.compile false"
        )
    net.compile(dynamic=True)
