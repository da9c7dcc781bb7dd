"""Lock of a folder: whoever writes into a run folder or a benchmark holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.config.registry import ConfigError


class Locked(ConfigError):
    """Another process works in the folder."""


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Lock a folder for this process, by whatever path it is named.

    Raises:
        Locked: another process has locked it.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Locked(
            f"another process works in {folder}; wait for it, or choose another --name"
        ) from error
    try:
        yield
    finally:
        lock.release()
