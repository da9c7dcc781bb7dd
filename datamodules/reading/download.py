"""Resumable downloads of large files, and extraction of a file from an archive."""

from __future__ import annotations

import http.client
import json
import shutil
import tarfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from datamodules.errors import DataError
from datamodules.reading.archive import progress_bar

_CHUNK = 1 << 16


def download_resumable(url: str, target: Path, *, timeout: float = 30.0) -> None:
    """Downloads `url` to `target`, continuing an interrupted attempt.

    A partial file is beside the target, with the server's mark of its version; a part of another
    version is not used. The target exists only once it has the size that the server announced.

    Args:
        url: file to download.
        target: path of the file; its folder is made.
        timeout: seconds without data after which the attempt ends.

    Raises:
        DataError: no network, an interrupted connection or a full disk; the message names the file
            to get by hand.
    """
    part = target.with_name(f".{target.name}.part")
    mark = target.with_name(f".{target.name}.mark")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, mark, target.name, timeout)
        part.replace(target)
        mark.unlink()
    except (OSError, http.client.HTTPException) as error:
        size = part.stat().st_size if part.exists() else 0
        raise DataError(
            f"{url}: cannot be downloaded ({error}); run again to continue after {size:,} received "
            f"bytes, or get the file on a machine with access and put it at {target}"
        ) from error


def _fetch(url: str, part: Path, mark: Path, name: str, timeout: float) -> None:
    version, total = _read_mark(mark)
    received = part.stat().st_size if part.exists() and version else 0
    if total is not None and received == total:
        return
    # The server sends the rest if its file still has this version, else the whole.
    headers = {"Range": f"bytes={received}-", "If-Range": version or ""} if received else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        if response.status != 206:
            received = 0
        length = response.headers.get("Content-Length")
        total = received + int(length) if length else None
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        mark.write_text(json.dumps({"version": version, "total": total}), encoding="utf-8")
        with part.open("ab" if received else "wb") as file, progress_bar() as progress:
            task = progress.add_task(name, total=total, completed=received)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                progress.update(task, completed=received)
    if total is not None and received != total:
        raise OSError(f"the connection closed after {received:,} of {total:,} bytes")


def _read_mark(mark: Path) -> tuple[str | None, int | None]:
    try:
        content = json.loads(mark.read_text(encoding="utf-8"))
        return content["version"], content["total"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def extract(archive: Path, file: Path) -> None:
    """Extracts the member named like `file` from a zip or tar, whole or not at all.

    Raises:
        DataError: the archive is damaged or has no such member, or the disk is full.
    """
    temporary = file.with_name(f".{file.name}")
    try:
        with _member(archive, file.name) as member, temporary.open("wb") as copy:
            shutil.copyfileobj(member, copy)
        temporary.rename(file)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{archive}: {file.name} cannot be extracted ({error}); remove the archive and run "
            f"again, or put the file itself at {file}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped, zipped.open(name) as file:
            yield file
        return
    with tarfile.open(archive) as tar:
        member = next((m for m in tar if m.isfile() and m.name.rpartition("/")[2] == name), None)
        if member is None:
            raise KeyError(f"there is no {name!r} in it")
        yield cast(IO[bytes], tar.extractfile(member))
