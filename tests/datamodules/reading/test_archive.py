"""Archives, read in memory or refused; downloads, whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from datamodules.errors import DataError
from datamodules.reading.archive import check_md5, download, read_tar

TEXTS = {"a/one.txt": b"first", "a/two.txt": b"second" * 300, "b/three.txt": b""}


def write_tar(path: Path, mode: Any = "w:gz", **extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in TEXTS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra.values():
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def make_member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        member.linkname = "/etc/passwd"
    return member


def read_all(path: Path, **limits: int) -> dict[str, bytes]:
    return dict(read_tar(path, lambda name: True, **limits))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_every_compression_is_read_whatever_the_name(tmp_path: Path, mode: str) -> None:
    path = write_tar(tmp_path / "archive", mode)
    assert read_all(path) == TEXTS
    assert list(tmp_path.iterdir()) == [path]  # nothing is unpacked


def test_only_wanted_files_are_given(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar.gz", folder=make_member("c", tarfile.DIRTYPE))
    assert dict(read_tar(path, lambda name: "two" in name)) == {"a/two.txt": TEXTS["a/two.txt"]}


@pytest.mark.parametrize("name", ["/etc/cron.d/x", "a/../../x.txt", "..", "a\\..\\x.txt"])
def test_a_name_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = write_tar(tmp_path / "x.tar.gz", bad=make_member(name))
    with pytest.raises(DataError, match="is outside the archive's folder") as caught:
        read_all(path)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused_even_unwanted(tmp_path: Path, kind: bytes) -> None:
    path = write_tar(tmp_path / "x.tar.gz", bad=make_member("a/odd.txt", kind))
    with pytest.raises(DataError, match="'a/odd.txt' is a link, a device or a sparse file"):
        list(read_tar(path, lambda name: name == "a/one.txt"))


def test_a_text_that_is_too_large_is_refused_but_other_files_may_be_large(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar.gz", big=make_member("big.feat", size=(4 << 20) + 1))
    with pytest.raises(DataError, match="big.feat has 4,194,305 bytes.*at most 4,194,304"):
        read_all(path)
    assert dict(read_tar(path, lambda name: name.endswith(".txt"))) == TEXTS


def test_a_bomb_stops_early(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    member = make_member("bomb.bin", size=1 << 40)
    with gzip.open(path, "wb") as file:
        file.write(member.tobuf())
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(DataError, match="more than 8,000,000 bytes once decompressed"):
        list(read_tar(path, lambda name: False, total_limit=8_000_000))


def test_a_huge_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "header.tar"
    member = make_member("@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 35)
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataError, match="a header of 34,359,738,368 bytes"):
        read_all(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_archive_is_an_error(tmp_path: Path, mode: str, share: float) -> None:
    path = write_tar(tmp_path / "cut.tar", mode)
    content = path.read_bytes()
    if mode == "w":  # all but the members is zeros: half a block of them is no end mark
        content = content[:4500]
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"cut\.tar: (no tar|cannot be read).*[Gg]et the archive"):
        read_all(path)


def test_a_cut_between_two_members_and_a_wrong_checksum_are_errors(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "cut.tar", "w")
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(DataError, match="the end mark is missing"):
        read_all(path)
    path = write_tar(tmp_path / "sum.tar.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        read_all(path)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 99, b"\x1f\x8bnonsense", b"PK\3\4"])
def test_what_is_no_tar_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"page\.tar\.gz"):
        read_all(path)


def test_a_missing_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.tar: no such archive"):
        read_all(tmp_path / "gone.tar")


class Handler(BaseHTTPRequestHandler):
    """`/whole` sends the file, `/short` closes the connection early."""

    def do_GET(self) -> None:
        if self.path not in ("/whole", "/short"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:1000])

    def log_message(self, *args: object) -> None:
        pass


CONTENT = b"reviews " * 50_000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_download_arrives_whole(server: str, tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    download(f"{server}/whole", target, MD5)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    check_md5(target, MD5)


@pytest.mark.parametrize(
    ("page", "md5", "message"),
    [
        ("short", MD5, r"1,000 of 400,000 bytes|IncompleteRead"),
        ("gone", MD5, "404"),
        ("whole", "0" * 32, f"{MD5}, must be {'0' * 32}"),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_where_the_file_goes(
    server: str, tmp_path: Path, page: str, md5: str, message: str
) -> None:
    target = tmp_path / "file.bin"
    with pytest.raises(DataError, match=message) as caught:
        download(f"{server}/{page}", target, md5)
    assert f"put it at {target}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_offline_is_an_error_and_an_older_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_text("mine")
    with pytest.raises(DataError, match=f"cannot be downloaded.*put it at {target}"):
        download("http://127.0.0.1:9/none", target, MD5)
    assert target.read_text() == "mine"
    with pytest.raises(DataError, match=f"must be {MD5}.*Remove it and run again"):
        check_md5(target, MD5)


def test_no_room_is_an_error(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be downloaded"):
        download(f"{server}/whole", tmp_path / "file" / "below", MD5)
