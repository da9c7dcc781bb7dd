"""Archives of texts: downloaded whole or not at all, read in memory, never extracted to disk."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.client
import lzma
import os
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from datamodules.console import plain_console
from datamodules.errors import DataError

MEMBER_LIMIT = 4 << 20
"""Largest file in bytes. The longest review has 14 kB, the list of movies 613 kB."""
TOTAL_LIMIT = 1 << 30
"""Largest decompressed archive in bytes. The official one has less than 0.3 GiB."""

_CHUNK = 1 << 16
_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, RecursionError)


def read_tar(
    path: Path,
    is_wanted: Callable[[str], bool],
    *,
    member_limit: int = MEMBER_LIMIT,
    total_limit: int = TOTAL_LIMIT,
) -> Iterator[tuple[str, bytes]]:
    """Yields `(name, content)` of the wanted files of a tar, in archive order.

    Gzip, xz, bzip2 and plain tars are recognised by their first bytes. The other files are skipped,
    but count towards `total_limit`.

    Args:
        path: the archive.
        is_wanted: true for the name of a wanted file.
        member_limit: largest wanted file in bytes.
        total_limit: largest decompressed archive in bytes.

    Raises:
        DataError: the file is missing, no tar, truncated or damaged; a member is a link or a
            device, has a path outside the archive (`/…`, `..`) or is too large; the archive is too
            large.
    """
    try:
        with _open(path) as stream:
            yield from _members(path, _Forward(path, stream, member_limit, total_limit), is_wanted)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such archive; give the path of a tar file") from error
    except OSError as error:  # gzip and bzip2 report damage as OSError
        raise DataError(f"{path}: cannot be read ({error}); get the archive again") from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(8)
    for magic, opener in _OPENERS.items():
        if head.startswith(magic):
            return cast(IO[bytes], opener(path))
    return path.open("rb")


class _Forward:
    """Stream that is read forward only, counts its bytes, and stops at the limits."""

    def __init__(self, path: Path, stream: IO[bytes], member_limit: int, total_limit: int) -> None:
        self.path, self.stream = path, stream
        self.member_limit, self.total_limit = member_limit, total_limit
        self.position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        # tarfile reads a name or an extended header at once, whatever size its header states
        if size > self.member_limit + tarfile.RECORDSIZE:
            raise DataError(
                f"{self.path}: a header of {size:,} bytes; it must have at most "
                f"{self.member_limit:,}. Get the archive again"
            )
        self.last = self.stream.read(size)
        self.position += len(self.last)
        if self.position > self.total_limit:
            raise DataError(
                f"{self.path}: more than {self.total_limit:,} bytes once decompressed, the largest "
                "size that is read. Get the archive again"
            )
        return self.last

    def seek(self, position: int) -> int:
        if position < self.position:
            raise ValueError(f"{self.path}: cannot go back to byte {position}")
        while self.position < position:
            if not self.read(min(_CHUNK, position - self.position)):
                break
        return self.position

    def tell(self) -> int:
        return self.position


def _members(
    path: Path, stream: _Forward, is_wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=cast(Any, stream), mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else 100,000 headers accumulate
                _check_member(path, member)
                if not (member.isfile() and is_wanted(member.name)):
                    continue
                if member.size > stream.member_limit:
                    raise DataError(
                        f"{path}: {member.name} has {member.size:,} bytes, must have at most "
                        f"{stream.member_limit:,}; get the archive again"
                    )
                content = cast(IO[bytes], tar.extractfile(member)).read()
                if len(content) != member.size:
                    raise EOFError(f"{member.name} is truncated")
                yield member.name, content
        # To tarfile, a truncation between two members is the end; a whole tar ends in zeros.
        if stream.last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("the end mark is missing")
        while stream.read(_CHUNK):  # to the end: gzip, xz and bzip2 check their sums there
            pass
    except _DAMAGE as error:
        raise DataError(
            f"{path}: no tar archive, or a truncated or damaged one ({error}, after "
            f"{stream.position:,} bytes). Get the archive again"
        ) from error


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise DataError(
            f"{path}: the path of member {member.name!r} is outside the archive's folder; get the "
            "archive from its original source"
        )
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise DataError(
            f"{path}: the member {member.name!r} is a link, a device or a sparse file, must be a "
            "file or a folder; get the archive from its original source"
        )


def file_md5(path: Path) -> str:
    """MD5 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def check_md5(path: Path, md5: str) -> None:
    """Raises DataError if the MD5 of a file is another than `md5`."""
    actual = file_md5(path)
    if actual != md5:
        raise DataError(
            f"{path}: MD5 is {actual}, must be {md5}: the file is truncated or another one. "
            "Remove it and run again, or put the right file there"
        )


def download(url: str, target: Path, md5: str, *, timeout: float = 30.0) -> None:
    """Downloads `url` to `target`, which exists only once it is whole and its MD5 is right.

    Args:
        url: file to download.
        target: path of the file, replaced if it exists; its folder is made.
        md5: expected MD5, in hex.
        timeout: seconds without data after which the attempt ends.

    Raises:
        DataError: no network, an interrupted connection, other content or a full disk; the message
            names the file to get by hand.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            actual = _fetch(url, file, target.name, timeout)
        if actual != md5:
            raise DataError(
                f"{url}: MD5 of the download is {actual}, must be {md5}; run again, or get the "
                f"file another way and put it at {target}"
            )
        temporary.chmod(0o644)  # mkstemp's 0600 would lock out others who share the cache
        temporary.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{url}: cannot be downloaded ({error}); get the file on a machine with access and put "
            f"it at {target}"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def progress_bar() -> Progress:
    """Progress bar of bytes, rate and remaining time, on standard error."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress("{task.description}", *columns, console=plain_console(stderr=True))


def _fetch(url: str, file: IO[bytes], name: str, timeout: float) -> str:
    digest = hashlib.md5()
    with urllib.request.urlopen(url, timeout=timeout) as response, progress_bar() as progress:
        length = response.headers.get("Content-Length")
        task = progress.add_task(name, total=int(length) if length else None)
        received = 0
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            progress.update(task, completed=received)
    if length and received != int(length):
        raise OSError(f"the connection closed after {received:,} of {int(length):,} bytes")
    return digest.hexdigest()
