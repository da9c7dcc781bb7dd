"""How the processes of a run come together, and how they part.

`torchrun` and `srun` start them all (`joined`); without either, a run that asks for several devices
starts the others itself (`started`). Whoever fails says why in a store, so that no other waits.
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
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from experiments.config.registry import ConfigError
from experiments.training import ranks
from experiments.training.ranks import Rank, RankFailed
from experiments.training.signals import Stopped
from lit_models.base.sharding import strategy_problem

if TYPE_CHECKING:
    from experiments.training.spec import RunSpec

STOPPED = 75  # exit code of a process whose run left a checkpoint, as in `launch.launcher`
_LOST = re.compile("gloo|nccl|connection|socket|store", re.IGNORECASE)
_FAILURE = "failure"  # the store's key under which the first rank that fails says why
_FIRST_LOST = "the first process of the run was lost"
_LOOK = 0.5  # seconds between two looks for it
_GRACE = 10.0  # seconds in which the other ranks may end by themselves after that

_store: Any = None  # where the ranks say that they failed
_heard: list[str] = []  # what this one has read there


@contextmanager
def joined(spec: RunSpec) -> Iterator[Rank]:
    """Joins the processes that torchrun or srun started for a run; alone, there is nothing to do.

    Raises:
        ConfigError: a run asks for another number of processes than was started.
        RankFailed: another rank failed.
    """
    rank = _external()
    if rank is None or rank.world == 1:
        _asked(spec)  # what one process cannot meet is said before anything is done
        yield ranks.current()
        return
    _check_number(spec, rank.world)
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # torchrun keeps the store in a process of its own.
    hosts = rank.number == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = TCPStore(address, port, rank.world, hosts, wait_for_workers=False)
    with _group(spec, rank, store, []):
        yield rank


@contextmanager
def started(spec: RunSpec) -> Iterator[Rank]:
    """Starts the other processes of a run that asks for several devices, unless they are there.

    Raises:
        ConfigError: a request that one machine cannot meet.
        RankFailed: another rank failed.
    """
    if ranks.current().world > 1:
        with _explained():
            yield ranks.current()
        return
    if (world := _asked(spec)) == 1:
        yield ranks.current()
        return
    store = TCPStore("127.0.0.1", 0, world, True, wait_for_workers=False)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(world)}
    command = [sys.executable, "-m", "experiments.launch.rank_worker"]
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
            yield ranks.current()
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
    _check_strategy(trainer)
    if nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes is {nodes}, and one process was started; start one process per "
            "device on every node with srun or torchrun"
        )
    world = 1
    if devices not in (1, "1"):
        from lightning import Trainer

        names = ("accelerator", "devices")
        quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False}
        world = int(Trainer(**{name: trainer[name] for name in names}, **quiet).num_devices)
    _check_strategy(trainer, world)
    return world


def _check_strategy(trainer: dict[str, Any], processes: int | None = None) -> None:
    strategy = str(trainer["strategy"])
    if problem := strategy_problem(strategy, trainer["devices"], processes):
        raise ConfigError(problem)
    if re.search("spawn|fork|notebook", strategy):
        raise ConfigError(
            f"trainer.strategy is {strategy!r}, and this program starts the processes itself; "
            "say --trainer.strategy ddp"
        )


def _check_number(spec: RunSpec, world: int) -> None:
    trainer = spec.resolve().config["trainer"]
    _check_strategy(trainer)
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
    global _store
    over = threading.Event()
    watch = (spec, rank, store.host, store.port, others, over)
    threading.Thread(target=_watch, args=watch, daemon=True).start()
    cuda = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",  # decisions are made on the CPU
            store=PrefixStore("group", store),
            rank=rank.number,
            world_size=rank.world,
        )
        _store = store
        with ranks.acting_as(rank), _explained():
            yield
    finally:
        over.set()
        _store = None
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _explained() -> Iterator[None]:
    """Says why this rank failed; raises another's reason where that is behind an error here."""
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
            mine = f"{ranks.current().number} {type(error).__name__}: {error}"
            who, _, reason = _store.compare_set(_FAILURE, "", mine).decode().partition(" ")
        except RuntimeError:  # the store went away with its process
            raise RankFailed(_heard[0] if _heard else _FIRST_LOST) from error
        if lost and int(who) != ranks.current().number:
            raise RankFailed(f"process {who} of the run: {reason}") from error
        if ranks.current().number == 0:
            time.sleep(4 * _LOOK)  # until all have read it: the store ends with this process
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
    while not reason and not over.wait(_LOOK):
        try:
            for number, other in enumerate(others, start=1):
                if (code := other.poll()) is not None and code not in (0, STOPPED):
                    how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
                    time.sleep(0.2)
                    store.compare_set(_FAILURE, "", f"{number} it {how}")
            if store.check([_FAILURE]):
                who, _, said = store.get(_FAILURE).decode().partition(" ")
                reason = f"process {who} of the run: {said}"
        except RuntimeError:
            reason = _FIRST_LOST
    if reason:
        _heard[:] = [reason]
    if not reason or over.wait(_GRACE):
        return
    reason = f"RankFailed: {reason}"
    print(reason, file=sys.stderr, flush=True)
    if rank.number == 0:
        from experiments.machine.environment import now
        from experiments.records.run_files import write_row
        from experiments.training.outcome import failed_row

        write_row(spec.folder, failed_row(spec, reason, now()))
        for other in others:
            other.kill()
    os._exit(1)


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
