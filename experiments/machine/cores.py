"""CPU cores that this process may use: by its affinity, and by the quotas of its cgroups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores() -> int:
    """CPU cores that this process may use; a part of one, under a quota, counts as a whole."""
    quota = cpu_quota()
    return affinity() if quota is None else max(1, min(affinity(), math.ceil(quota)))


def affinity() -> int:
    """CPU cores that this process may be put on, as `taskset` and Slurm set them."""
    return len(core_numbers())


def core_numbers() -> set[int]:
    """Numbers of the cores that this process may be put on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def cpu_quota(cgroups: Path | None = None, own: Path | None = None) -> float | None:
    """Seconds of CPU in a second that the cgroups of this process grant; None: no limit.

    A container and a systemd unit are such groups. The quota of every group above applies too.

    Args:
        cgroups: mount point of all cgroups; None: that of Linux.
        own: file of the groups that this process is in; None: that of Linux.
    """
    cgroups, own = cgroups or CGROUPS, own or OWN_CGROUPS
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None  # not Linux
    quotas = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = cgroups / "cpu" if controllers else cgroups  # version 1; version 2
        quotas += [q for folder in _upwards(mount, place) if (q := _quota(folder)) is not None]
    return min(quotas, default=None)


def _upwards(mount: Path, place: str) -> Iterator[Path]:
    """Folder of a group and all above it; a container may see its own group as the mount alone."""
    parts = [part for part in place.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _quota(folder: Path) -> float | None:
    try:
        if (file := folder / "cpu.max").exists():  # version 2
            quota, period = file.read_text(encoding="utf-8").split()
        else:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((folder / name).read_text(encoding="utf-8").strip() for name in names)
        granted = float(quota) / float(period)
    except (OSError, ValueError):
        return None  # no such group here, or "max"
    return granted if granted > 0 else None  # -1: no limit
