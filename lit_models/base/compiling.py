"""torch.compile for the networks that gain from it."""

from __future__ import annotations

import os
import shutil
import sys

import torch
from torch import nn


def compile_net(net: nn.Module | None, device: torch.device) -> None:
    """Compile a network in place, at its first batch, once for all batch widths.

    In place, because the names in the `state_dict` then do not change: checkpoints of compiled and
    plain networks are interchangeable. Dropout draws other numbers than without compiling.

    Args:
        net: the network; None for a model without one.
        device: device on which it will run.

    Raises:
        ValueError: no network, a network with recurrent layers, or no C++ compiler for a CPU.
    """
    if net is None:
        raise ValueError("compile is true and this model has no network; set --model.compile false")
    if any(isinstance(module, nn.RNNBase) for module in net.modules()):
        raise ValueError(
            "compile is true and the network has recurrent layers, whose kernels are fused already "
            "and would be split up by torch.compile; set --model.compile false"
        )
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise ValueError(
            f"compile is true and the C++ compiler {compiler!r}, which torch.compile needs on a "
            "CPU, is not found; install it, name another in $CXX, or set --model.compile false"
        )
    net.compile(dynamic=True)
