"""The cache folder: where it is, how its entries are named, and how they come into being whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from datamodules.errors import DataError
from datamodules.faults import fault_point


def default_cache_dir() -> Path:
    """`$LIT_SENTIMENT_CACHE`, else `lit-sentiment` under `$XDG_CACHE_HOME` or `~/.cache`."""
    if named := os.environ.get("LIT_SENTIMENT_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lit-sentiment"


def digest(settings: dict[str, Any]) -> str:
    """16 hex digits that name a cache entry by everything that decides its content."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the entry's lock: of two processes that make the same entry, the second waits."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        lock.acquire()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder to fill, which becomes `folder` by rename if nothing goes wrong.

    For the holder of the entry's lock: nobody else makes the same entry.

    Raises:
        DataError: the disk is full or not writable; nothing is left behind.
    """
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.tmp-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.tmp-", dir=folder.parent))
        temporary.chmod(0o755)  # mkdtemp's 0700 would shut out the others of a cluster's cache
        fault_point("store")
        yield temporary
        fault_point("store")
        temporary.rename(folder)
        fault_point("store")
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{folder} could not be written ({error}); free some space there, or name another "
        "folder with --data.cache_dir or $LIT_SENTIMENT_CACHE"
    )
