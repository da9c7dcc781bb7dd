"""Files of the official IMDB corpus: the folder `aclImdb`, or a tar of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.archive import MEMBER_LIMIT, read_tar
from datamodules.store.corpus import UNLABELLED, TextSplit

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
ARCHIVE = "aclImdb_v1.tar.gz"
REMEDY = f"Get the archive again from {URL}"
"""Last sentence of the messages about a damaged corpus."""

FOLDERS = ("train/neg", "train/pos", "train/unsup", "test/neg", "test/pos")
URL_LISTS = {
    f"{split}/urls_{name}.txt": f"{split}/{name}"
    for split, name in (folder.split("/") for folder in FOLDERS)
}
"""Lists of movies, with the folders whose reviews they are about."""
_REVIEW = re.compile(r"(?:^|/)((?:train|test)/(?:neg|pos|unsup))/(\d+)_(\d+)\.txt$")
_URL_LIST = re.compile(r"(?:^|/)((?:train|test)/urls_(?:neg|pos|unsup)\.txt)$")
_TITLE = re.compile(r"/title/tt(\d+)")


@dataclass
class ReviewFiles:
    """Contents of the corpus's files.

    Attributes:
        reviews: for each of `FOLDERS`, (rating, text) by review number.
        movies: for each of `FOLDERS`, int64 IMDb title numbers by review number.
    """

    reviews: dict[str, dict[int, tuple[str, str]]] = field(
        default_factory=lambda: {folder: {} for folder in FOLDERS}
    )
    movies: dict[str, np.ndarray] = field(default_factory=dict)

    def split(self, *folders: str) -> TextSplit:
        """Reviews of some folders, by number; the label is the place of the folder."""
        texts: list[str] = []
        labels: list[int] = []
        keys: list[str] = []
        movies: list[int] = []
        for label, folder in enumerate(folders):
            for number, (rating, text) in sorted(self.reviews[folder].items()):
                texts.append(text)
                labels.append(UNLABELLED if folder.endswith("unsup") else label)
                keys.append(f"{folder}/{number}_{rating}")
                movies.append(int(self.movies[folder][number]))
        return TextSplit(texts, np.asarray(labels, dtype=np.int64), keys, np.asarray(movies))


def find_corpus(root: Path) -> Path:
    """Path of the `aclImdb` folder or archive that `root` is or contains.

    Raises:
        DataError: there is none, or several archives to choose from.
    """
    root = root.expanduser()
    if root.is_file():
        return root
    if not root.exists():
        raise DataError(
            f"root={str(root)!r} does not exist; give a folder that contains aclImdb/ or a tar of "
            "it, or leave root out to have it downloaded"
        )
    for folder in (root, root / "aclImdb"):
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return folder
    archives = sorted(path for path in root.glob("aclImdb*.tar*") if path.is_file())
    official = [path for path in archives if path.name == ARCHIVE]
    if len(official or archives) != 1:
        names = ", ".join(path.name for path in archives) or "neither aclImdb/ nor aclImdb*.tar*"
        raise DataError(f"root={str(root)!r} contains {names}; name the one file or folder to read")
    return (official or archives)[0]


def stamps(place: Path) -> dict[str, Any]:
    """Sizes and times of change of an archive, or of the folders and lists of an `aclImdb` folder.

    Raises:
        DataError: one of them is missing.
    """
    if place.is_file():
        return _stamp(place)
    return {"files": {name: _stamp(place / name) for name in (*FOLDERS, *URL_LISTS)}}


def _stamp(path: Path) -> dict[str, int]:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing, so the corpus is incomplete. {REMEDY}") from error
    times = {"mtime_ns": status.st_mtime_ns}
    # The size of a folder depends on the file system.
    return times if path.is_dir() else {"size": status.st_size, **times}


def read_files(place: Path) -> ReviewFiles:
    """Reads all reviews and lists of movies.

    Args:
        place: from `find_corpus`.

    Raises:
        DataError: a file is missing, a second of its number, damaged, too large or not UTF-8.
    """
    files = ReviewFiles()
    for name, content in _walk(place) if place.is_dir() else read_tar(place, _is_wanted):
        if match := _URL_LIST.search(name):
            files.movies[URL_LISTS[match[1]]] = parse_movies(content, f"{place}: {match[1]}")
        elif match := _REVIEW.search(name):
            folder, number, rating = match[1], int(match[2]), match[3]
            if number in files.reviews[folder]:
                raise DataError(
                    f"{place}: {name} is a second review number {number} of {folder}. {REMEDY}"
                )
            try:
                files.reviews[folder][number] = (rating, content.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{place}: {name} is not UTF-8 at byte {error.start} "
                    f"(0x{content[error.start]:02x}). {REMEDY}"
                ) from error
    return files


def parse_movies(content: bytes, place: str) -> np.ndarray:
    """IMDb title numbers in a `urls_*.txt`, int64; line i belongs to review i.

    Args:
        content: of the file.
        place: name of the file in error messages.

    Raises:
        DataError: a line has no title.
    """
    movies = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        match = _TITLE.search(line)
        if match is None:
            raise DataError(
                f"{place}, line {number}: {line[:80]!r} has no title (…/title/tt…). {REMEDY}"
            )
        movies.append(int(match[1]))
    return np.asarray(movies, dtype=np.int64)


def _is_wanted(name: str) -> bool:
    return _REVIEW.search(name) is not None or _URL_LIST.search(name) is not None


def _walk(place: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of the wanted files below a folder, like `read_tar`."""
    for folder in FOLDERS:
        if not (place / folder).is_dir():
            raise DataError(f"{place}: the folder {folder} is missing. {REMEDY}")
        names = [f"{folder}/{entry.name}" for entry in os.scandir(place / folder)]
        yield from ((name, _read_file(place / name)) for name in names if _REVIEW.search(name))
    for name in URL_LISTS:
        if not (place / name).is_file():
            raise DataError(f"{place}: the list of movies {name} is missing. {REMEDY}")
        yield name, _read_file(place / name)


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MEMBER_LIMIT + 1)
    if len(content) > MEMBER_LIMIT:
        raise DataError(
            f"{path} has over {MEMBER_LIMIT:,} bytes, which no file of it has. {REMEDY}"
        )
    return content
