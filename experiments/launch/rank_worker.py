"""A further process of a run, which arrives on standard input; `process_group` starts it."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from pathlib import Path

from experiments.config.registry import Registry
from experiments.launch.process_group import STOPPED, joined
from experiments.training.run import execute
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec


def main() -> int:
    """Carries its share of the run out; returns the exit code."""
    given = json.loads(sys.stdin.buffer.readline())
    for name in ("overrides", "config_folders"):
        given[name] = tuple(given[name])
    spec = RunSpec(**given | {"folder": Path(given["folder"])})
    threading.Thread(target=_end_with_first, daemon=True).start()
    Registry(Path(folder) for folder in spec.config_folders)
    try:
        with joined(spec):
            execute(spec)
    except Stopped as stop:
        print(f"stopped by {stop}")
        return STOPPED
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _end_with_first() -> None:
    sys.stdin.buffer.read()  # nothing more is sent: this returns when the first process is gone
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # no hook of a library may wait for ranks that have gone
