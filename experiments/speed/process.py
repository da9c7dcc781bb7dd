"""A measurement in a separate process, with the load by other processes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any


def run_measurement(command: Sequence[str], threads: int) -> dict[str, Any]:
    """Run a measurement on the CPU.

    Args:
        command: Command that prints its result as JSON on its last line.
        threads: Number of threads of OpenMP.

    Returns:
        The result, and `others`: the share of the processor that other processes used, None if the
        system does not report it.

    Raises:
        SystemExit: The command failed; the message ends with its last output.
    """
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    before, started = _others_seconds(), time.monotonic()
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    after, seconds = _others_seconds(), time.monotonic() - started
    if done.returncode != 0:
        output = "\n".join(done.stderr.splitlines()[-20:])
        raise SystemExit(f"{command[0]} ended with code {done.returncode}:\n{output}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    share = None
    if before is not None and after is not None:
        share = max(0.0, after - before) / (seconds * (os.cpu_count() or 1))
    return {**result, "others": share}


def _others_seconds() -> float | None:
    """Busy seconds of all processors since boot, without this process and its children."""
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(
                int, file.readline().split()[1:9]
            )
    except OSError:
        return None  # not Linux
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    mine = os.times()
    own_seconds = mine.user + mine.system + mine.children_user + mine.children_system
    return busy - own_seconds
