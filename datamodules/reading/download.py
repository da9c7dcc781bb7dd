"""Large files without a published checksum: fetched in as many attempts as it takes."""

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
    """Fetches `url` to `target`, going on where an earlier attempt broke off.

    What came so far lies beside the target, with the server's mark of the version it is of; of
    another version nothing is used. The target stands there only once it has the size that the
    server told.

    Args:
        url: what to fetch.
        target: where to; its folder is made.
        timeout: seconds without any data until the attempt ends.

    Raises:
        DataError: offline, cut short or no room. It names the file to get by hand.
    """
    part = target.with_name(f".{target.name}.part")
    mark = target.with_name(f".{target.name}.mark")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, mark, target.name, timeout)
        part.replace(target)
        mark.unlink()
    except (OSError, http.client.HTTPException) as error:
        kept = part.stat().st_size if part.exists() else 0
        raise DataError(
            f"{url}: cannot be downloaded ({error}); {kept:,} bytes are here, and the next start "
            f"goes on from there. Or get the file on a machine with access and put it at {target}"
        ) from error


def _fetch(url: str, part: Path, mark: Path, name: str, timeout: float) -> None:
    version, total = _read_mark(mark)
    have = part.stat().st_size if part.exists() and version else 0
    if total is not None and have == total:
        return
    # The server sends the rest if its file is still of this version, else the whole.
    headers = {"Range": f"bytes={have}-", "If-Range": version or ""} if have else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        mark.write_text(json.dumps({"version": version, "total": total}), encoding="utf-8")
        with part.open("ab" if have else "wb") as file, progress_bar() as progress:
            task = progress.add_task(name, total=total, completed=have)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress.update(task, completed=have)
    if total is not None and have != total:
        raise OSError(f"the connection closed after {have:,} of {total:,} bytes")


def _read_mark(mark: Path) -> tuple[str | None, int | None]:
    try:
        content = json.loads(mark.read_text(encoding="utf-8"))
        return content["version"], content["total"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def take_out(archive: Path, file: Path) -> None:
    """Copies the member of `file`'s name out of a zip or tar, whole or not at all.

    Raises:
        DataError: the archive is damaged or has no such member, or there is no room.
    """
    temporary = file.with_name(f".{file.name}")
    try:
        with _member(archive, file.name) as member, temporary.open("wb") as copy:
            shutil.copyfileobj(member, copy)
        temporary.rename(file)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{archive}: {file.name} cannot be taken out of it ({error}); remove the archive and "
            f"start again, or put the file itself at {file}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as whole, whole.open(name) as member:
            yield member
        return
    with tarfile.open(archive) as tar:
        found = next((m for m in tar if m.isfile() and m.name.rpartition("/")[2] == name), None)
        if found is None:
            raise KeyError(f"there is no {name!r} in it")
        yield cast(IO[bytes], tar.extractfile(found))
