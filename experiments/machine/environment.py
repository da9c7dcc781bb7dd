"""What a row says of the machine and the code."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.machine.resources import JOBS_VARIABLE, cores

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
    """Versions of Python and of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for package in ("lit-sentiment", *_PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # run from a checkout that is not installed
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores, threads, memory, card, and runs at once where there were several."""
    import torch

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    # Runs side by side slow one another down: whoever reads their times must know.
    jobs = os.environ.get(JOBS_VARIABLE)
    return ({"jobs": int(jobs)} if jobs else {}) | {
        "cpu": _cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": card,
        "gpus": torch.cuda.device_count() if card else 0,
    }


def git_state() -> tuple[str | None, bool | None]:
    """Commit of the code and whether it was changed since; (None, None) outside a checkout."""
    home = Path(__file__).parents[2]

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(home), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    if git("ls-files", "--error-unmatch", "pyproject.toml") is None:
        return None, None  # installed inside somebody else's checkout, or none at all
    # A new architecture is a file that git does not know yet: it counts as a change.
    # Results decide no number, and a run that is tested adds a line to them.
    parts = ("datamodules", "lit_models", "experiments", ":(exclude)experiments/results")
    status = git("status", "--porcelain", "--", *parts)
    return git("rev-parse", "HEAD"), None if status is None else bool(status)


def now() -> str:
    """The time, as rows have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
