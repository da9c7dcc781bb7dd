"""What each of several runs at once has of one machine: a card, threads, an environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

JOBS_VARIABLE = "LIT_SENTIMENT_JOBS"
# Of an allocation, of a launcher of ranks: a run that finds them would wait for other ranks.
_FOREIGN = ("SLURM_", "SLURMD_", "SRUN_", "PMI_", "PMIX_", "OMPI_", "TORCHELASTIC_")
_RANKS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
_WHERE_SLURM_IS = "SLURM_CONF"
_THREADS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


@dataclass(frozen=True)
class Share:
    """The part of a machine that one run may use.

    Attributes:
        variables: of its environment.
        threads: of computation; None leaves what the libraries choose.
    """

    variables: dict[str, str]
    threads: int | None


def shares(jobs: int) -> list[Share]:
    """Divides this machine among `jobs` runs at once.

    Cards are dealt out in turn, so that more runs than cards share them. Threads are the cores
    divided, at least one each; `$OMP_NUM_THREADS` has the last word, as it has over a single run.
    """
    if jobs == 1:
        return [Share({}, None)]
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() and int(asked) else max(1, cores() // jobs)
    cards = _cards()
    found = []
    for slot in range(jobs):
        variables = dict.fromkeys(_THREADS, str(threads)) | {JOBS_VARIABLE: str(jobs)}
        if cards:
            variables["CUDA_VISIBLE_DEVICES"] = cards[slot % len(cards)]
        found.append(Share(variables, threads))
    return found


@contextmanager
def outside_allocation() -> Iterator[None]:
    """Hides the allocation that this process may stand in from processes started meanwhile.

    Lightning reads its rank when it is imported, so that a process must not find one even then.
    """
    names = [
        name
        for name in os.environ
        if (name.startswith(_FOREIGN) and name != _WHERE_SLURM_IS) or name in _RANKS
    ]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def take(share: Share) -> None:
    """Keeps this process, which is to carry one run out, to its share."""
    os.environ.update(share.variables)
    if share.threads is not None:
        limit_threads(share.threads)


def limit_threads(threads: int) -> None:
    """Sets the threads of PyTorch and of the libraries under NumPy, which are loaded already."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cards() -> list[str]:
    """The cards that may be used, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [card for card in named.split(",") if card not in ("", "-1")]
    import torch

    return [str(card) for card in range(torch.cuda.device_count())]
