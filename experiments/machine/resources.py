"""Resources of one machine divided among several runs at once: GPUs, threads, environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from experiments.machine import openmp
from experiments.machine.cores import cores

JOBS_VARIABLE = "LIT_SENTIMENT_JOBS"
# Set by Slurm and by launchers of ranks; a run that reads them would wait for other ranks.
_ALLOCATION_PREFIXES = ("SLURM_", "SLURMD_", "SRUN_", "PMI_", "PMIX_", "OMPI_", "TORCHELASTIC_")
_RANKS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
_SLURM_CONFIG = "SLURM_CONF"
_THREADS = (openmp.THREADS, "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


@dataclass(frozen=True)
class Share:
    """Part of a machine that one run may use.

    Attributes:
        variables: environment variables of the run.
        threads: number of computing threads; None: the libraries' default.
    """

    variables: dict[str, str]
    threads: int | None


def split_resources(jobs: int) -> list[Share]:
    """Divides this machine among `jobs` runs at once.

    GPUs are assigned in turn, so that several runs share one if there are more runs than GPUs.
    Threads are the CPU cores divided by the runs, at least one each; `$OMP_NUM_THREADS` overrides
    them, as it does for a single run.
    """
    if jobs == 1:
        return [Share({}, None)]
    threads = openmp.threads_of_user() or max(1, cores() // jobs)
    gpus = _gpus()
    shares = []
    for slot in range(jobs):
        variables = dict.fromkeys(_THREADS, str(threads)) | {JOBS_VARIABLE: str(jobs)}
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
        shares.append(Share(variables, threads))
    return shares


@contextmanager
def outside_allocation() -> Iterator[None]:
    """Hides a Slurm allocation or a rank of this process from processes started within the block.

    Lightning reads its rank as early as on import.
    """
    names = [
        name
        for name in os.environ
        if (name.startswith(_ALLOCATION_PREFIXES) and name != _SLURM_CONFIG) or name in _RANKS
    ]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def apply_share(share: Share) -> None:
    """Limits this process, which executes one run, to its share."""
    os.environ.update(share.variables)
    if share.threads is not None:
        limit_threads(share.threads)


def limit_threads(threads: int) -> None:
    """Sets the threads of PyTorch and of the libraries that NumPy and scikit-learn have loaded."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _gpus() -> list[str]:
    """GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` lists them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu not in ("", "-1")]
    import torch

    return [str(gpu) for gpu in range(torch.cuda.device_count())]
