"""Published vectors: downloaded, resumed, extracted; or the file to get by hand is named."""

from __future__ import annotations

import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.reading.download import download_resumable, extract
from datamodules.store.ragged import Ragged
from datamodules.vectors.base import WordVectors
from datamodules.vectors.published import PretrainedCharNGram, PretrainedFastText, PretrainedGloVe

WORDS = ["<pad>", "<unk>", "good", "bad"]
TEXTS = Ragged(np.array([2, 3], np.int32), np.array([0, 2]))
CONTENT = bytes(range(256)) * 2000


class Server(BaseHTTPRequestHandler):
    """Sends `CONTENT`, or only its start; supports ranges and versions of the file."""

    version = '"one"'
    breaks_after: int | None = None
    ranges: list[str | None] = []

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        Server.ranges.append(requested)
        start = 0
        if requested and self.headers.get("If-Range") == Server.version:
            start = int(requested.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("ETag", Server.version)
        self.end_headers()
        stop = len(CONTENT) if Server.breaks_after is None else start + Server.breaks_after
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Server.version, Server.breaks_after, Server.ranges = '"one"', None, []
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/file"
    server.shutdown()
    server.server_close()


def interrupt(address: str, target: Path) -> None:
    Server.breaks_after = 200_000
    with pytest.raises(DataError, match=f"after 200,000 received bytes.*put it at {target}"):
        download_resumable(address, target)
    assert not target.exists()
    Server.breaks_after = None


def test_an_interrupted_download_is_continued(address: str, tmp_path: Path) -> None:
    target = tmp_path / "downloads" / "file"
    interrupt(address, target)
    download_resumable(address, target)
    assert target.read_bytes() == CONTENT
    assert Server.ranges == [None, "bytes=200000-"]
    assert list(target.parent.iterdir()) == [target]


def test_another_version_of_the_file_is_fetched_from_its_start(
    address: str, tmp_path: Path
) -> None:
    interrupt(address, tmp_path / "file")
    Server.version = '"two"'
    download_resumable(address, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_partial_file_without_its_mark_is_not_used(address: str, tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(b"of what?")
    download_resumable(address, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT and Server.ranges == [None]


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def load(
    how: PretrainedGloVe | PretrainedFastText | PretrainedCharNGram, cache: Path
) -> WordVectors:
    return how.load_or_learn(cache / "vectors", {"store": "x"}, TEXTS, WORDS, seed=0)


@pytest.mark.parametrize(
    ("how", "file"),
    [
        (lambda: PretrainedGloVe("6B", 50), "glove.6B.zip"),
        (lambda: PretrainedGloVe("twitter.27B", 25), "glove.twitter.27B.zip"),
        (lambda: PretrainedFastText(), "wiki.en.vec"),
        (lambda: PretrainedCharNGram(), "jmt_pre-trained_embeddings.tar.gz"),
    ],
)
def test_without_network_the_file_to_get_is_named(
    how: object, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch)
    place = tmp_path / "downloads" / file
    with pytest.raises(DataError, match=f"no network.*put it at {place}"):
        load(how(), tmp_path)  # type: ignore[operator]
    assert not (tmp_path / "vectors").exists()


def test_glove_is_extracted_from_its_archive_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    line = " ".join(["0.5"] * 50)
    with zipfile.ZipFile(downloads / "glove.6B.zip", "w") as archive:
        archive.writestr("glove.6B.50d.txt", f"good {line}\nthe {line}\nthe {line}\n")
    vectors = load(PretrainedGloVe("6B", 50), tmp_path)
    assert vectors.tokens.tolist() == [2] and vectors.values.tolist() == [[0.5] * 50]
    (downloads / "glove.6B.zip").unlink()  # the text itself is enough
    assert load(PretrainedGloVe("6B", 50), tmp_path).tokens.tolist() == [2]
    assert (
        PretrainedGloVe("6B", 50).note(["train"]) == "word vectors from outside, glove.6B.50d.txt"
    )


def test_character_ngrams_make_a_vector_for_every_word(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    first, second = " ".join(["1"] * 100), " ".join(["3"] * 100)
    text = f"2gram-go {first}\n3gram-ood {second}\n".encode()
    with tarfile.open(downloads / "jmt_pre-trained_embeddings.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("jmt/charNgram.txt")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    vectors = load(PretrainedCharNGram(), tmp_path)
    assert vectors.tokens.tolist() == [2], "bad has none of the n-grams"
    assert vectors.values.tolist() == [[2.0] * 100], "the mean of go and ood"


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_damaged_archive_leaves_nothing(name: str, damage: str, tmp_path: Path) -> None:
    archive, content = tmp_path / name, np.random.default_rng(0).bytes(5000)
    wanted = "other.txt" if damage == "other" else "wanted.txt"
    if name == "x.zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr(wanted, content)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            member = tarfile.TarInfo(wanted)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    if damage != "other":
        archive.write_bytes(archive.read_bytes()[: 3000 if damage == "cut" else 0])
    with pytest.raises(
        DataError, match=f"(?s){name}: wanted.txt cannot be extracted.*put the file"
    ):
        extract(archive, tmp_path / "wanted.txt")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_width_that_was_not_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="dim is 100; GloVe 42B has widths .300"):
        PretrainedGloVe("42B", 100)
