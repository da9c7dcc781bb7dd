"""Tensors that may be sharded over the processes of a run: the one place that handles `DTensor`.

All functions take plain tensors too and then do what their names say on this process alone. With
sharded ones they are collective: every process must call them, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map_only


def is_sharded(module: nn.Module) -> bool:
    """True if each process holds only a shard of the module's weights."""
    return any(isinstance(weight, DTensor) for weight in module.parameters())


def full_tensor(tensor: Tensor) -> Tensor:
    """Gather a tensor on every process."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather_full(tree: Any) -> Any:
    """Gather the sharded tensors of nested lists and dicts on the CPU of rank 0.

    Elsewhere their places hold None.
    """

    def gather(shard: DTensor) -> Tensor | None:
        full = shard.full_tensor()  # one at a time, so that a GPU holds a single full tensor
        return full.cpu() if dist.get_rank() == 0 else None

    return tree_map_only(DTensor, gather, tree)


def shard_like(value: Any, like: Tensor) -> Any:
    """Shard a full tensor as `like` is sharded; return anything else unchanged."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value, like.device_mesh, like.placements)


def copy_full(target: Tensor, full: Tensor) -> None:
    """Copy a full tensor into `target`, in place."""
    target.copy_(shard_like(full, target))


def load_full_state_dict(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state dict of full tensors into a module."""
    current = module.state_dict()
    shards = {name: shard_like(value, current.get(name, value)) for name, value in state.items()}
    module.load_state_dict(shards)


def call_in_step(net: nn.Module, inputs: list[tuple[Tensor, ...]]) -> list[Tensor]:
    """Call a network on each of some inputs, equally often on every process.

    A sharded network gathers its weights in every call, so a process with fewer inputs repeats its
    last one and drops the results.
    """
    extra = 0
    if is_sharded(net):
        most = torch.tensor(len(inputs), device=inputs[0][0].device)
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        extra = int(most) - len(inputs)
    return [net(*args) for args in inputs + inputs[-1:] * extra][: len(inputs)]
