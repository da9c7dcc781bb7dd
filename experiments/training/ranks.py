"""Ranks of a run: this process among all of them, and collectives over Python objects.

Every rank executes the same run; only rank 0 writes files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from experiments.config.registry import ConfigError

T = TypeVar("T")


class RankFailed(Exception):
    """Another rank of the run failed; the message holds its error."""


@dataclass(frozen=True)
class Rank:
    """One of the processes of a run.

    Attributes:
        number: global rank, from 0 over all nodes.
        world_size: number of processes.
        local_rank: rank on this node, from 0.
        node_rank: number of this node, from 0.
    """

    number: int = 0
    world_size: int = 1
    local_rank: int = 0
    node_rank: int = 0


_current = Rank()


def current() -> Rank:
    """Rank of this process."""
    return _current


@contextmanager
def acting_as(rank: Rank) -> Iterator[None]:
    """Gives this process a rank within the block; the process group must exist."""
    global _current
    before, _current = _current, rank
    try:
        yield
    finally:
        _current = before


def is_rank_zero() -> bool:
    """True in the process that writes files."""
    return _current.number == 0


class RankEnvironment(LightningEnvironment):
    """Cluster environment of Lightning's trainer: it starts no processes and handles no signals.

    It replaces Lightning's own environment in a Slurm job too, which would save and requeue in the
    middle of a step.
    """

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return _current.local_rank

    def node_rank(self) -> int:
        return _current.node_rank

    def teardown(self) -> None:
        """Leaves the environment variables, which belong to the launcher."""

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        needed = num_devices * num_nodes
        if needed != _current.world_size:
            raise ConfigError(
                f"--trainer.devices {num_devices} and --trainer.num_nodes {num_nodes} need "
                f"{needed} processes, and {_current.world_size} were started; start {needed} with "
                "torchrun or srun"
            )


def all_gather(value: T) -> list[T]:
    """Gathers the value of every rank, in rank order. Collective."""
    if _current.world_size == 1:
        return [value]
    values: list[Any] = [None] * _current.world_size
    dist.all_gather_object(values, value)
    return values


def broadcast(value: T) -> T:
    """Broadcasts the value of rank 0. Collective."""
    if _current.world_size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def all_reduce_max(*numbers: int) -> list[int]:
    """Reduces each number to its maximum over all ranks. Collective."""
    if _current.world_size == 1:
        return list(numbers)
    tensor = torch.tensor(numbers)  # on the CPU, so that no GPU has to be synchronised
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return [int(number) for number in tensor]
