"""Cache folder: its place, the names of its entries, and their creation, whole or not at all."""

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
    """`$LIT_SENTIMENT_CACHE`, else `lit-sentiment` under `$XDG_CACHE_HOME` or `~/.cache`.

    A `~` in the variables is the home folder, as where a shell reads it.

    Raises:
        DataError: there is no such home folder.
    """
    folder = os.environ.get("LIT_SENTIMENT_CACHE")
    place = folder or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "lit-sentiment")
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"the cache folder {place} is under a home folder that does not exist; set "
            "$LIT_SENTIMENT_CACHE to a folder that you can write to"
        ) from error


def digest(settings: dict[str, Any]) -> str:
    """Name of a cache entry: 16 hex digits over everything that its content depends on."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a cache entry, so that a second process waits instead of making it too."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        lock.acquire()
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder to fill, which is renamed to `folder` unless an error is raised.

    The caller holds the entry's lock.

    Raises:
        DataError: the disk is full or not writable; no part of the folder is left behind.
    """
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for remains in folder.parent.glob(f".{folder.name}.tmp-*"):  # of a process that was killed
            shutil.rmtree(remains, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.tmp-", dir=folder.parent))
        temporary.chmod(0o755)  # mkdtemp's 0700 would lock out others who share the cache
        fault_point("store")
        yield temporary
        fault_point("store")
        temporary.rename(folder)
        fault_point("store")
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def unwritable(folder: Path, error: OSError) -> DataError:
    """Error that something could not be written to the cache."""
    return DataError(
        f"{folder} could not be written ({error}); free some space there, or set another cache "
        "folder with --data.cache_dir or $LIT_SENTIMENT_CACHE"
    )
