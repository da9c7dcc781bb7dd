"""Entry point of the further ranks of a run, which `start_process_group` starts.

The run's description arrives as a line of JSON on standard input.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from pathlib import Path

from experiments.config.registry import Registry
from experiments.launch.process_group import join_process_group
from experiments.training.run import execute
from experiments.training.signals import EXIT_STOPPED, Stopped
from experiments.training.spec import RunSpec


def main() -> int:
    """Executes the run as one of its ranks and returns the exit code."""
    fields = json.loads(sys.stdin.buffer.readline())
    for name in ("overrides", "config_folders"):
        fields[name] = tuple(fields[name])
    spec = RunSpec(**fields | {"folder": Path(fields["folder"])})
    threading.Thread(target=_end_with_rank_zero, daemon=True).start()
    Registry(Path(folder) for folder in spec.config_folders)
    try:
        with join_process_group(spec):
            execute(spec)
    except Stopped as stop:
        print(f"stopped by {stop}")
        return EXIT_STOPPED
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _end_with_rank_zero() -> None:
    sys.stdin.buffer.read()  # nothing more is sent: this returns when rank 0 has ended
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # skips exit hooks of libraries, which would wait for ranks that have ended
