"""Process group of a run on several devices: its processes are joined or started, and end together.

torchrun and srun start all processes of a run (`join_process_group`); without them, a run on
several devices starts the others itself (`start_process_group`). A rank that fails writes its error
to a store that all ranks watch, so that none waits for it in a collective.

torchrun's launcher (`torch.distributed.launcher.elastic_launch`) does not replace this module. It
moves rank 0 into a further process, whose progress would need a channel of its own; its workers
outlive a launcher that is killed; and ranks that srun starts need the store in any case.
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
from experiments.training.devices import devices_of
from experiments.training.ranks import Rank, RankFailed
from experiments.training.signals import EXIT_STOPPED, Stopped
from lit_models.base.sharding import strategy_problem

if TYPE_CHECKING:
    from experiments.training.spec import RunSpec

_CONNECTION_ERROR = re.compile("gloo|nccl|connection|socket|store", re.IGNORECASE)
_FAILURE = "failure"  # key in the store; its value is the rank that failed first and its error
_RANK_ZERO_LOST = "the first process of the run was lost"
_POLL_SECONDS = 0.5  # between two checks for a failure
_GRACE_SECONDS = 10.0  # in which the other ranks may end by themselves after a failure

_store: Any = None  # store of the process group that this process is in
_failures: list[str] = []  # what `_watch` has read there


@contextmanager
def join_process_group(spec: RunSpec) -> Iterator[Rank]:
    """Joins the processes that torchrun or srun started for a run; does nothing in a single one.

    Raises:
        ConfigError: the run needs another number of processes than were started.
        RankFailed: another rank failed.
    """
    rank = _external_rank()
    if rank is None or rank.world_size == 1:
        required_processes(spec)  # reports what one process cannot do before the run begins
        yield ranks.current()
        return
    _check_world_size(spec, rank.world_size)
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # torchrun hosts the store in its own process.
    hosts = rank.number == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = TCPStore(address, port, rank.world_size, hosts, wait_for_workers=False)
    with _group(spec, rank, store, []):
        yield rank


@contextmanager
def start_process_group(spec: RunSpec) -> Iterator[Rank]:
    """Starts the other processes of a run on several devices, unless this one is in a group.

    Raises:
        ConfigError: the run cannot be started on one machine.
        RankFailed: another rank failed.
    """
    if ranks.current().world_size > 1:
        with _share_failures():
            yield ranks.current()
        return
    if (world_size := required_processes(spec)) == 1:
        yield ranks.current()
        return
    store = TCPStore("127.0.0.1", 0, world_size, True, wait_for_workers=False)
    variables = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(world_size),
    }
    command = [sys.executable, "-m", "experiments.launch.rank_worker"]
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // world_size))  # the processes share the cores
    variables["OMP_NUM_THREADS"] = str(torch.get_num_threads())
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, world_size):
            variables |= {"RANK": str(number), "LOCAL_RANK": str(number)}
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | variables)
            workers.append(worker)
            assert worker.stdin is not None  # left open: the worker ends when it is closed
            worker.stdin.write(json.dumps(asdict(spec), default=str).encode() + b"\n")
            worker.stdin.flush()
        with _group(spec, Rank(0, world_size), store, workers):
            yield ranks.current()
    finally:
        _end(workers)
        torch.set_num_threads(threads)


def _external_rank() -> Rank | None:
    """Rank given by torchrun, srun or `start_process_group`; None if none of them started this."""
    env = os.environ
    if "RANK" in env and "WORLD_SIZE" in env:
        numbers = (env["RANK"], env["WORLD_SIZE"], env.get("LOCAL_RANK", "0"))
        return Rank(*map(int, (*numbers, env.get("GROUP_RANK", "0"))))
    if int(env.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        nodes = env.get("SLURM_STEP_NODELIST", "127.0.0.1")
        job = int(re.sub(r"\D", "", env.get("SLURM_JOB_ID", "0")) or 0)
        env.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes))
        env.setdefault("MASTER_PORT", str(15_000 + job % 10_000))  # the same on all ranks
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NODEID")
        return Rank(*(int(env[name]) for name in names))
    return None


def required_processes(spec: RunSpec) -> int:
    """Number of processes that a run needs on this machine.

    Raises:
        ConfigError: the machine lacks a device, or cannot start them.
    """
    resolved = spec.resolve()
    trainer = resolved.config["trainer"]
    devices, nodes = trainer["devices"], trainer["num_nodes"]
    _check_strategy(trainer)
    if nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes is {nodes}, and one process was started; start one process per "
            "device on every node with srun or torchrun"
        )
    world_size = 1
    if devices not in (1, "1") or trainer["accelerator"] not in ("auto", "cpu"):
        world_size = len(devices_of(resolved))
    _check_strategy(trainer, world_size)
    return world_size


def _check_strategy(trainer: dict[str, Any], processes: int | None = None) -> None:
    strategy = str(trainer["strategy"])
    if problem := strategy_problem(strategy, trainer["devices"], processes):
        raise ConfigError(problem)
    if re.search("spawn|fork|notebook", strategy):
        raise ConfigError(
            f"trainer.strategy is {strategy!r}, and this program starts the processes itself; "
            "say --trainer.strategy ddp"
        )


def _check_world_size(spec: RunSpec, world_size: int) -> None:
    trainer = spec.resolve().config["trainer"]
    _check_strategy(trainer)
    if trainer["devices"] in (1, "1") and trainer["num_nodes"] == 1:
        raise ConfigError(
            f"{world_size} processes were started, and --trainer.devices 1 asks for one; say "
            f"--trainer.devices {world_size}, or the number of processes on each node and "
            "--trainer.num_nodes"
        )


@contextmanager
def _group(
    spec: RunSpec, rank: Rank, store: TCPStore, workers: list[subprocess.Popen[bytes]]
) -> Iterator[None]:
    """Initialises the process group of a run within the block and watches for failing ranks."""
    global _store
    ended = threading.Event()
    arguments = (spec, rank, store.host, store.port, workers, ended)
    threading.Thread(target=_watch, args=arguments, daemon=True).start()
    cuda = devices_of(spec.resolve())[0].type == "cuda" and dist.is_nccl_available()
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",  # Python objects are exchanged on the CPU
            store=PrefixStore("group", store),
            rank=rank.number,
            world_size=rank.world_size,
        )
        _store = store
        with ranks.acting_as(rank), _share_failures():
            yield
    finally:
        ended.set()
        _store = None
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _share_failures() -> Iterator[None]:
    """Writes an error of this rank to the store; replaces it by one of another rank that caused it.

    Raises:
        RankFailed: another rank failed, and this one lost its connection.
    """
    try:
        yield
    except (Stopped, RankFailed):
        raise
    except Exception as error:
        assert _store is not None
        lost = isinstance(error, RuntimeError) and bool(_CONNECTION_ERROR.search(str(error)))
        deadline = time.monotonic() + 3.0
        try:
            while lost and not _store.check([_FAILURE]) and time.monotonic() < deadline:
                time.sleep(0.1)  # the rank that failed may still have to write its error
            entry = f"{ranks.current().number} {type(error).__name__}: {error}"
            number, _, reason = _store.compare_set(_FAILURE, "", entry).decode().partition(" ")
        except RuntimeError:  # the process that hosts the store has ended
            raise RankFailed(_failures[0] if _failures else _RANK_ZERO_LOST) from error
        if lost and int(number) != ranks.current().number:
            raise RankFailed(f"process {number} of the run: {reason}") from error
        if ranks.current().number == 0:
            time.sleep(4 * _POLL_SECONDS)  # all ranks read it before the store ends with rank 0
        raise


def _watch(
    spec: RunSpec,
    rank: Rank,
    host: str,
    port: int,
    workers: list[subprocess.Popen[bytes]],
    ended: threading.Event,
) -> None:
    """Ends this process if another rank fails and leaves it waiting in a collective."""
    store = TCPStore(host, port, rank.world_size, False, wait_for_workers=False)
    reason = ""
    while not reason and not ended.wait(_POLL_SECONDS):
        try:
            for number, worker in enumerate(workers, start=1):
                if (code := worker.poll()) is not None and code not in (0, EXIT_STOPPED):
                    end = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
                    time.sleep(0.2)
                    store.compare_set(_FAILURE, "", f"{number} it {end}")
            if store.check([_FAILURE]):
                failed, _, error = store.get(_FAILURE).decode().partition(" ")
                reason = f"process {failed} of the run: {error}"
        except RuntimeError:
            reason = _RANK_ZERO_LOST
    if reason:
        _failures[:] = [reason]
    if not reason or ended.wait(_GRACE_SECONDS):
        return
    reason = f"RankFailed: {reason}"
    print(reason, file=sys.stderr, flush=True)
    if rank.number == 0:
        from experiments.machine.environment import now
        from experiments.records.run_files import write_row
        from experiments.training.outcome import failed_row

        write_row(spec.folder, failed_row(spec, reason, now()))
        for worker in workers:
            worker.kill()
    os._exit(1)


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    for worker in workers:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdin is not None:
            worker.stdin.close()
