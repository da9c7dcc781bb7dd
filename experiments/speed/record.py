"""Origin of a measurement, and its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.machine.environment import git_state, hardware, now
from experiments.records.atomic import replace_bytes

if TYPE_CHECKING:
    import torch


class Origin:
    """Time and code of a measurement, recorded at its start because the code may change."""

    def __init__(self) -> None:
        self.started = now()
        self.commit, self.dirty = git_state()

    def describe(
        self, threads: int | None = None, devices: Sequence[torch.device] = ()
    ) -> dict[str, Any]:
        """Describe machine, code and times at the end of the measurement.

        Args:
            threads: Number of threads used; that of torch if None.
            devices: Devices used, where they may be GPUs.
        """
        machine = hardware(devices)
        return {
            "machine": machine if threads is None else {**machine, "threads": threads},
            "git_commit": self.commit,
            "git_dirty": self.dirty,
            "started": self.started,
            "ended": now(),
        }


def write_measurement(result: dict[str, Any], file: Path | None) -> None:
    """Write a measurement as JSON, atomically; do nothing if `file` is None."""
    if file is not None:
        replace_bytes(file, (json.dumps(result, indent=1) + "\n").encode())
