"""Where a measurement comes from, and its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.machine.environment import git_state, hardware, now
from experiments.records.atomic import replace_bytes


class Origin:
    """Time and code of a measurement, taken down before it begins: the code may change."""

    def __init__(self) -> None:
        self.started = now()
        self.commit, self.dirty = git_state()

    def describe(self, threads: int | None = None) -> dict[str, Any]:
        """Machine, code and times, once the measurement has ended.

        Args:
            threads: used by it; None: torch's own number.
        """
        machine = hardware()
        return {
            "machine": machine if threads is None else {**machine, "threads": threads},
            "git_commit": self.commit,
            "git_dirty": self.dirty,
            "started": self.started,
            "ended": now(),
        }


def write_measurement(result: dict[str, Any], file: Path | None) -> None:
    """Writes a measurement as JSON, whole or not at all; nowhere where no file is named."""
    if file is not None:
        replace_bytes(file, (json.dumps(result, indent=1) + "\n").encode())
