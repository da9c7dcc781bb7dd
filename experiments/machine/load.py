"""Load of the cores that this process may use, by other processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

from experiments.machine.cores import core_numbers

STAT = Path("/proc/stat")


class Load:
    """Meter of the processor time that other processes have used since it was created.

    Only the cores that this process may use count; time that a hypervisor has given to other
    machines counts as used. The time of this process's children counts as its own once they have
    ended.
    """

    def __init__(self) -> None:
        self._start = _seconds()
        self._started = time.monotonic()

    def others(self) -> float | None:
        """Share of the cores that others have kept busy, from 0 to 1; None: not on this system."""
        now, cores = _seconds(), core_numbers()
        if now is None or self._start is None:
            return None
        elapsed = max(time.monotonic() - self._started, 1e-9)
        return min(1.0, max(0.0, (now - self._start) / (elapsed * len(cores))))


def _seconds() -> float | None:
    """Busy seconds of these cores since boot, without those of this process and its children."""
    names = {f"cpu{number}" for number in core_numbers()}
    busy = 0
    try:
        lines = STAT.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None  # not Linux
    for line in lines:
        name, *counts = line.split()
        if name in names:
            user, nice, system, _idle, _wait, *irq_and_steal = map(int, counts[:8])
            busy += user + nice + system + sum(irq_and_steal)
    mine = os.times()
    own = mine.user + mine.system + mine.children_user + mine.children_system
    return busy / os.sysconf("SC_CLK_TCK") - own if busy else None
