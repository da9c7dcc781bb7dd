"""A measurement in a separate process, with the load by other processes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from datamodules.console import say_once
from experiments.machine.load import Load
from experiments.machine.quiet import is_held, quiet, quiet_file


def run_measurement(command: Sequence[str], threads: int, gpu: bool = False) -> dict[str, Any]:
    """Run a measurement, holding the lock of timings.

    Args:
        command: Command that prints its result as JSON on its last line.
        threads: Number of threads of OpenMP.
        gpu: Let it see the GPUs.

    Returns:
        The result, and `others`: the share of the cores that other processes kept busy, None if
        the system does not report it.

    Raises:
        SystemExit: The command failed; the message ends with its last output.
    """
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **({} if gpu else {"CUDA_VISIBLE_DEVICES": ""}),
    }
    if is_held(quiet_file()):
        say_once(f"waiting for another measurement, which holds {quiet_file()}")
    with quiet():
        load = Load()
        done = subprocess.run(
            command, env=os.environ | settings, capture_output=True, text=True, check=False
        )
        others = load.others()
    if done.returncode != 0:
        output = "\n".join(done.stderr.splitlines()[-20:])
        end = f"ended with code {done.returncode}"
        if done.returncode < 0:
            end = f"was ended by signal {-done.returncode}"
            end += ", maybe for want of memory" if done.returncode == -9 else ""
        raise SystemExit(f"{command[0]} {end}:\n{output}")
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        end = done.stdout[-200:]
        raise SystemExit(f"{command[0]} printed no JSON on its last line: {end!r}") from None
    return {**result, "others": others}
