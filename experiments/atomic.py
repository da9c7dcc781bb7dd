"""Files that are either whole or absent: written under a temporary name, then renamed."""

import os
from pathlib import Path


def replace_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that no reader ever sees a part of it.

    The temporary file lies in the same folder (a rename across file systems is not atomic) and
    starts with a dot, so that no pattern such as `*.jsonl` picks it up. It is removed when
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
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
