"""Output that appears whole or not at all, and can be gone on with after a kill.

Encoded pieces are files in a folder beside the output, `.NAME.partial`. Each is written under
another name first, so that the pieces that are there are whole. The last step joins them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from experiments.config.registry import ConfigError
from experiments.inference.formats import Format
from experiments.records.atomic import replace_bytes

_JOB, _LOCK = "job.json", "lock"


class PartialOutput:
    """Pieces of an output that is being made. `open_partial` makes it.

    Attributes:
        folder: Where they are.
        out: The output.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out

    @property
    def rows(self) -> int:
        """Number of rows in the pieces."""
        return sum(int(part.name.split("-")[1]) for part in self._parts())

    @property
    def without_label(self) -> int:
        """Number of these rows that have no label."""
        return sum(int(part.name.split("-")[2]) for part in self._parts())

    def add(self, data: bytes, rows: int, without_label: int) -> None:
        """Add the next piece, with the numbers of its rows and of those without a label."""
        replace_bytes(self.folder / f"{len(self._parts()):09d}-{rows}-{without_label}", data)

    def finish(self, form: Format) -> None:
        """Join the pieces to the output, and remove them."""
        whole = self.folder / "whole"
        form.join(self._parts(), whole)
        with whole.open("rb") as stream:
            os.fsync(stream.fileno())
        whole.replace(self.out)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("?????????-*"))


def check_output(out: Path, source: Path | None, force: bool, resume: bool) -> None:
    """Refuse an output that cannot be written or would replace something, before the work.

    Args:
        out: The output.
        source: The input file.
        force: Replace an existing file; begin anew.
        resume: Go on with an unfinished output.

    Raises:
        ConfigError: It exists, is a folder or the input, or an unfinished one is there.
        OSError: Its folder cannot be written to.
    """
    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder; name a file in it")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}; make it first")
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise ConfigError(f"--out {out} is the input itself; name another file")
    if out.exists() and not force:
        raise ConfigError(f"--out {out} exists; add --force to replace it, or name another file")
    folder = folder_of(out)
    if folder.is_dir() and (folder / _JOB).is_file() and not (force or resume):
        rows = PartialOutput(folder, out).rows
        raise ConfigError(
            f"--out {out}: an unfinished output with {rows:,} rows is in {folder.name}; add "
            "--resume to go on with it, or --force to begin anew"
        )
    made = not folder.is_dir()
    folder.mkdir(exist_ok=True)  # fails where nothing can be written
    if made:
        folder.rmdir()


def folder_of(out: Path) -> Path:
    """Folder of the pieces of an output."""
    return out.with_name(f".{out.name}.partial")


@contextmanager
def open_partial(out: Path, job: Mapping[str, Any], resume: bool) -> Iterator[PartialOutput]:
    """Open the pieces of an output, for this process alone.

    Args:
        out: The output.
        job: What the output follows from, as JSON.
        resume: Keep the pieces that are there, which must be of the same job.

    Raises:
        ConfigError: They are of another job, or another process makes this output.
    """
    folder = folder_of(out)
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(f"--out {out}: another process writes it; wait for it") from error
    try:
        file = folder / _JOB
        if resume and file.is_file():
            _check_same(json.loads(file.read_text(encoding="utf-8")), job, out)
        else:
            for left in folder.iterdir():
                if left.name != _LOCK:
                    left.unlink()
            replace_bytes(file, json.dumps(job, indent=1).encode())
        yield PartialOutput(folder, out)
    finally:
        lock.release()


def _check_same(before: Any, job: Mapping[str, Any], out: Path) -> None:
    before = before if isinstance(before, dict) else {}
    changed = [name for name in {**before, **job} if before.get(name) != job.get(name)]
    if changed:
        raise ConfigError(
            f"--out {out}: the unfinished output was made with another {', '.join(changed)}; give "
            "the same again, or --force without --resume to begin anew"
        )
