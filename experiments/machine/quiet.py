"""Lock that says that the machine is to be quiet: timings hold it, and the queue of runs halts."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamodules.store.cache import default_cache_dir

LOOK_SECONDS = 0.25  # between two looks of the queue at the lock


def quiet_file() -> Path:
    """`$QUIET`, else `quiet.lock` in the user's cache folder."""
    return Path(os.environ.get("QUIET") or default_cache_dir() / "quiet.lock").expanduser()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold the lock within the block, once other timings are over and the queue has halted.

    The lock is that of `flock`, so that a shell holds it too: `flock FILE COMMAND`.
    """
    file = quiet_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            time.sleep(2 * LOOK_SECONDS)
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)


def is_held(file: Path) -> bool:
    """Check whether a process holds the lock."""
    try:
        with open(file) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
