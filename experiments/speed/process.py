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
        process = subprocess.Popen(
            command,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            process.wait()  # `subprocess.run` leaves it behind at Ctrl-C
            raise
        others = load.others()
    if (code := process.returncode) != 0:
        lines = "\n".join(errors.splitlines()[-20:])
        end = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        end += ", maybe for want of memory" if code == -9 else ""
        raise SystemExit(f"{command[0]} {end}:\n{lines}")
    try:
        result: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        end = output[-200:]
        raise SystemExit(f"{command[0]} printed no JSON on its last line: {end!r}") from None
    return {**result, "others": others}
