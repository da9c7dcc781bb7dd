"""Origin of a measurement, and its file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config.registry import ConfigError
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


def check_file(option: str, file: Path | None, endings: Sequence[str] = ()) -> None:
    """Check that a file can be written at the end of a measurement.

    Args:
        option: Option that names it.
        file: The file; None: there is none.
        endings: Endings that it may have; empty: any.

    Raises:
        ConfigError: It is a folder or a device, has another ending, or cannot be written.
    """
    if file is None:
        return
    if file.exists() and not file.is_file():
        raise ConfigError(f"{option} {file} is no file; name one that may be replaced")
    if endings and file.suffix.lower() not in endings:
        hidden = file.name.startswith(".")
        named = file.with_name(f"FILE{endings[0]}") if hidden else file.with_suffix(endings[0])
        raise ConfigError(
            f"{option} {file}: its name must end in {' or '.join(endings)}; write {option} {named}"
        )
    place = file.absolute().parent
    while not place.exists():
        place = place.parent  # what is missing is made when the file is written
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ConfigError(
            f"{option} {file} cannot be written: {place}: {error.strerror}; name another place"
        ) from None


def write_measurement(result: dict[str, Any], file: Path | None) -> None:
    """Write a measurement as JSON, atomically; do nothing if `file` is None."""
    if file is not None:
        replace_bytes(file, (json.dumps(result, indent=1) + "\n").encode())
