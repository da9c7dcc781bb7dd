"""Files that are either whole or absent: written under a temporary name, then renamed."""

import os
from pathlib import Path

from datamodules.faults import fault_point


def replace_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that readers never see a part of it.

    The temporary file is in the same folder, because a rename across file systems is not atomic,
    and starts with a dot, so that patterns such as `*.jsonl` do not match it. It is removed when
    writing fails, for example on a full disk.

    Args:
        path: The file to create or replace; its folder is made when missing.
        data: The whole content.

    Raises:
        OSError: As raised by the file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fault_point(path.name)
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        fault_point(path.name)
        temporary.replace(path)
        fault_point(path.name)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed process left in a folder.

    Only for folders that no other process is writing to.
    """
    for ending in ("tmp", "ckpt", "skops", "safetensors"):  # the last two of older versions
        for file in folder.glob(f".*.{ending}"):
            file.unlink(missing_ok=True)
