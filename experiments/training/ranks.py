"""Which process of a run this is (its rank), and what the processes tell one another.

All of them carry the same run out; the first alone writes.
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
    """Another process of the run failed; the message is what it said."""


@dataclass(frozen=True)
class Rank:
    """One of the processes of a run.

    Attributes:
        number: from 0, over all nodes.
        world: how many there are.
        local: from 0, on this node.
        node: this node.
    """

    number: int = 0
    world: int = 1
    local: int = 0
    node: int = 0


_current = Rank()


def current() -> Rank:
    """This process."""
    return _current


@contextmanager
def acting_as(rank: Rank) -> Iterator[None]:
    """Makes this process one of several, whose group stands, within the block."""
    global _current
    before, _current = _current, rank
    try:
        yield
    finally:
        _current = before


def is_rank_zero() -> bool:
    """Whether this process is the one that writes."""
    return _current.number == 0


class Processes(LightningEnvironment):
    """Tells Lightning which process this is, so that it starts none and handles no signals.

    It stands in a Slurm job too, where Lightning's own would save and requeue in mid-step.
    """

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return _current.local

    def node_rank(self) -> int:
        return _current.node

    def teardown(self) -> None:
        """Nothing: the environment's variables are the launcher's."""

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        if num_devices * num_nodes != _current.world:
            raise ConfigError(
                f"--trainer.devices {num_devices} and --trainer.num_nodes {num_nodes} ask for "
                f"{num_devices * num_nodes} processes, and {_current.world} were started; let "
                "torchrun or srun start as many as the two say"
            )


# What ranks tell one another


def all_gather(value: T) -> list[T]:
    """What every rank has, in their order; each of them must ask."""
    if _current.world == 1:
        return [value]
    found: list[Any] = [None] * _current.world
    dist.all_gather_object(found, value)
    return found


def broadcast(value: T) -> T:
    """What the first rank has; each of them must ask."""
    if _current.world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def all_reduce_max(*numbers: int) -> list[int]:
    """Of each number the highest that any rank has; each of them must ask."""
    if _current.world == 1:
        return list(numbers)
    found = torch.tensor(numbers)  # on the CPU: a card is not made to wait
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return [int(number) for number in found]
