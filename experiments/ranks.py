"""The processes of one run (ranks): who they are, how they agree, and how they end together.

`torchrun` and `srun` start them all (`joined`); without either, a run that asks for several devices
starts the others itself (`started`). All of them carry the same run out; the first alone writes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from experiments.config import ConfigError

if TYPE_CHECKING:
    from experiments.run import RunSpec

T = TypeVar("T")

_LOST = re.compile("gloo|nccl|connection|socket|store", re.IGNORECASE)
_FAILURE = "failure"  # the store's key under which the first rank that fails says why
_GRACE = 10.0  # seconds in which the other ranks may end by themselves after that


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
_store: Any = None  # where the ranks say that they failed


def current() -> Rank:
    """This process."""
    return _current


def first() -> bool:
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


def gathered(value: T) -> list[T]:
    """What every rank has, in their order; each of them must ask."""
    if _current.world == 1:
        return [value]
    found: list[Any] = [None] * _current.world
    dist.all_gather_object(found, value)
    return found


def told(value: T) -> T:
    """What the first rank has; each of them must ask."""
    if _current.world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def highest(*numbers: int) -> list[int]:
    """Of each number the highest that any rank has; each of them must ask."""
    if _current.world == 1:
        return list(numbers)
    found = torch.tensor(numbers)  # on the CPU: a card is not made to wait
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return [int(number) for number in found]


# How they come together and part


@contextmanager
def joined(spec: RunSpec) -> Iterator[Rank]:
    """Joins the processes that torchrun or srun started for a run; alone, there is nothing to do.

    Raises:
        ConfigError: a run asks for another number of processes than was started.
        RankFailed: another rank failed.
    """
    rank = _external()
    if rank is None or rank.world == 1:
        yield _current
        return
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # torchrun keeps the store in a process of its own.
    hosts = rank.number == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = TCPStore(address, port, rank.world, hosts, wait_for_workers=False)
    with _group(spec, rank, store, []):
        _check_number(spec, rank.world)
        yield rank


@contextmanager
def started(spec: RunSpec) -> Iterator[Rank]:
    """Starts the other processes of a run that asks for several devices, unless they are there.

    Raises:
        ConfigError: a request that one machine cannot meet.
        RankFailed: another rank failed.
    """
    if _current.world > 1:
        with _explained():
            yield _current
        return
    if (world := _asked(spec)) == 1:
        yield _current
        return
    store = TCPStore("127.0.0.1", 0, world, True, wait_for_workers=False)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(world)}
    command = [sys.executable, "-m", "experiments.rank_worker"]
    # Processes that shared the cores would wait for one another's threads.
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // world))
    place["OMP_NUM_THREADS"] = str(torch.get_num_threads())
    others: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, world):
            names = {"RANK": str(number), "LOCAL_RANK": str(number)}
            other = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | place | names)
            others.append(other)
            assert other.stdin is not None  # it stays open: the rank ends when this process does
            other.stdin.write(json.dumps(asdict(spec), default=str).encode() + b"\n")
            other.stdin.flush()
        with _group(spec, Rank(0, world), store, others):
            yield _current
    finally:
        _end(others)
        torch.set_num_threads(threads)


def _external() -> Rank | None:
    """This process among those that torchrun, srun or `started` made; None where none did."""
    env = os.environ
    if "RANK" in env and "WORLD_SIZE" in env:
        numbers = (env["RANK"], env["WORLD_SIZE"], env.get("LOCAL_RANK", "0"))
        return Rank(*map(int, (*numbers, env.get("GROUP_RANK", "0"))))
    if int(env.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        nodes = env.get("SLURM_STEP_NODELIST", "127.0.0.1")
        job = int(re.sub(r"\D", "", env.get("SLURM_JOB_ID", "0")) or 0)
        env.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes))
        env.setdefault("MASTER_PORT", str(15_000 + job % 10_000))  # the same in all of them
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NODEID")
        return Rank(*(int(env[name]) for name in names))
    return None


def _asked(spec: RunSpec) -> int:
    """How many processes a run asks for on this machine."""
    trainer = spec.resolve().config["trainer"]
    devices, nodes = trainer["devices"], trainer["num_nodes"]
    strategy = str(trainer["strategy"])
    if re.search("spawn|fork|notebook", strategy):
        raise ConfigError(
            f"trainer.strategy is {strategy!r}, and this program starts the processes itself; "
            "say --trainer.strategy ddp"
        )
    if nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes is {nodes}, and one process was started; start one process per "
            "device on every node with srun or torchrun"
        )
    if devices in (1, "1"):
        return 1
    from lightning import Trainer

    names = ("accelerator", "devices")
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False}
    asked = Trainer(**{name: trainer[name] for name in names}, **quiet)
    return int(asked.num_devices)


def _check_number(spec: RunSpec, world: int) -> None:
    trainer = spec.resolve().config["trainer"]
    if trainer["devices"] in (1, "1") and trainer["num_nodes"] == 1:
        raise ConfigError(
            f"{world} processes were started, and --trainer.devices 1 asks for one; say "
            f"--trainer.devices {world}, or as many as there are on each node and "
            "--trainer.num_nodes"
        )


@contextmanager
def _group(
    spec: RunSpec, rank: Rank, store: TCPStore, others: list[subprocess.Popen[bytes]]
) -> Iterator[None]:
    """The process group of a run; whoever fails in it says why, and no other waits for it."""
    global _current, _store
    over = threading.Event()
    watch = (spec, rank, store.host, store.port, others, over)
    threading.Thread(target=_watch, args=watch, daemon=True).start()
    cuda = torch.cuda.is_available() and dist.is_nccl_available()
    before = _current
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",  # decisions are made on the CPU
            store=PrefixStore("group", store),
            rank=rank.number,
            world_size=rank.world,
        )
        _current, _store = rank, store
        with _explained():
            yield
    finally:
        over.set()
        _current, _store = before, None
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _explained() -> Iterator[None]:
    """Says why this rank failed; raises another's reason where that is behind an error here."""
    from experiments.stopping import Stopped

    try:
        yield
    except (Stopped, RankFailed):
        raise
    except Exception as error:
        assert _store is not None
        lost = isinstance(error, RuntimeError) and bool(_LOST.search(str(error)))
        until = time.monotonic() + 3.0
        try:
            while lost and not _store.check([_FAILURE]) and time.monotonic() < until:
                time.sleep(0.1)  # what became of the other is about to be found
            mine = f"{_current.number} {type(error).__name__}: {error}"
            who, _, reason = _store.compare_set(_FAILURE, "", mine).decode().partition(" ")
        except RuntimeError:  # the store went away with its process
            raise RankFailed("the first process of the run was lost") from error
        if lost and int(who) != _current.number:
            raise RankFailed(f"process {who} of the run: {reason}") from error
        raise


def _watch(
    spec: RunSpec,
    rank: Rank,
    host: str,
    port: int,
    others: list[subprocess.Popen[bytes]],
    over: threading.Event,
) -> None:
    """Ends this process where another one failed and left it waiting for an answer."""
    store = TCPStore(host, port, rank.world, False, wait_for_workers=False)
    reason = ""
    while not reason and not over.wait(0.5):
        try:
            for number, other in enumerate(others, start=1):
                if (code := other.poll()) is not None and code not in (0, _STOPPED):
                    how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
                    time.sleep(0.2)
                    store.compare_set(_FAILURE, "", f"{number} RankFailed: it {how}")
            if store.check([_FAILURE]):
                who, _, said = store.get(_FAILURE).decode().partition(" ")
                reason = f"RankFailed: process {who} of the run: {said}"
        except RuntimeError:
            reason = "RankFailed: the first process of the run was lost"
    if not reason or over.wait(_GRACE):
        return
    print(reason, file=sys.stderr, flush=True)
    if rank.number == 0:
        from experiments.results import write_row
        from experiments.run import failed_row, now

        write_row(spec.folder, failed_row(spec, reason, now()))
        for other in others:
            other.kill()
    os._exit(1)


_STOPPED = 75  # as `experiments.launchers` has it


def _end(others: list[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + _GRACE
    for other in others:
        try:
            other.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            other.kill()
            other.wait()
        if other.stdin is not None:
            other.stdin.close()
