"""Machine and code of a run, as its row describes them."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.machine import openmp
from experiments.machine.allocator import keeps_memory
from experiments.machine.cores import cores
from experiments.machine.resources import JOBS_VARIABLE

if TYPE_CHECKING:
    import torch

_PACKAGES = (
    "torch",
    "lightning",
    "torchmetrics",
    "scikit-learn",
    "tokenizers",
    "transformers",
    "numpy",
    "wandb",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect results."""
    packages = {"python": platform.python_version()}
    for package in ("lit-sentiment", *_PACKAGES):
        try:
            packages[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # a checkout that is not installed
    return packages


def hardware(devices: Sequence[torch.device] = ()) -> dict[str, Any]:
    """Processor, cores, threads, memory and GPUs, and the number of runs at once if several.

    `openmp` has the variables that say how long threads wait (`experiments.machine.openmp`),
    `keeps_memory` whether freed blocks stay with the process (`experiments.machine.allocator`).

    Args:
        devices: those that were computed on; GPUs that were idle are not described.
    """
    import torch

    gpus = [device for device in devices if device.type == "cuda"]
    # Runs at the same time slow one another down, which readers of their times must know.
    jobs = os.environ.get(JOBS_VARIABLE)
    return ({"jobs": int(jobs)} if jobs else {}) | {
        "cpu": _cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "openmp": openmp.waiting(),
        "keeps_memory": keeps_memory(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": torch.cuda.get_device_name(gpus[0]) if gpus else None,
        "gpus": len(gpus),
    }


def git_state() -> tuple[str | None, bool | None]:
    """Commit of the code, and True if it has changed since; (None, None) outside a checkout."""
    home = Path(__file__).parents[2]

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(home), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    if git("ls-files", "--error-unmatch", "pyproject.toml") is None:
        return None, None  # no checkout, or installed inside one of another project
    # Untracked files count as changes: a new architecture is one. Changes of the results do not:
    # evaluating a run on the test split adds a line to them.
    parts = ("datamodules", "lit_models", "experiments", ":(exclude)experiments/results")
    status = git("status", "--porcelain", "--", *parts)
    return git("rev-parse", "HEAD"), None if status is None else bool(status)


def now() -> str:
    """Current time in UTC, in ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


_peaks: dict[int, int] = {}  # bytes by process: a forked one has a peak of its own


def peak_memory_bytes() -> int:
    """Peak resident memory of this process.

    It never falls, as Linux's own figure can by some hundred KiB: the kernel adds up the counts of
    its processors only now and then.
    """
    process = os.getpid()
    _peaks[process] = max(_peaks.get(process, 0), _system_peak_bytes())
    return _peaks[process]


def _system_peak_bytes() -> int:
    try:  # getrusage would count the process that started this one, too
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # not Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
