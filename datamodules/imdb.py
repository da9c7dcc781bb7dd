"""The official IMDB corpus: Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.archive import MEMBER_LIMIT, check_md5, download, read_tar
from datamodules.robustness import find_folder, leave_out
from datamodules.splits import drop_copies, grouped_split, merge_groups
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.text import TextDataModule

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
ARCHIVE = "aclImdb_v1.tar.gz"

Exclude = Literal["robustness"]

READER_VERSION = 1
"""Part of the cache key: raise it whenever the same files would be read differently."""

FOLDERS = ("train/neg", "train/pos", "train/unsup", "test/neg", "test/pos")
URL_LISTS = ("train/urls_neg.txt", "train/urls_pos.txt")
_REVIEW = re.compile(r"(?:^|/)((?:train|test)/(?:neg|pos|unsup))/(\d+)_(\d+)\.txt$")
_URL_LIST = re.compile(r"(?:^|/)(train/urls_(?:neg|pos)\.txt)$")
_TITLE = re.compile(r"/title/tt(\d+)")


class Counts(NamedTuple):
    """What a whole corpus has."""

    per_class: int
    """Reviews of each class in train, and again in test."""
    unlabelled: int
    copies: int
    """Unlabelled reviews that are copies of a test review."""


@dataclass
class _Files:
    """What the corpus's files say: `reviews[folder][number]` = (rating, text)."""

    reviews: dict[str, dict[int, tuple[str, str]]] = field(
        default_factory=lambda: {folder: {} for folder in FOLDERS}
    )
    movies: dict[str, np.ndarray] = field(default_factory=dict)
    """For `neg` and `pos` of train, the IMDb title number of review 0, 1, …"""


class IMDB(TextDataModule):
    """25,000 reviews to learn from, 25,000 to test on, 50,000 without labels.

    Classes are balanced. Validation is carved from train so that no movie, and no copy of a
    review, stands on both sides: a random draw has 96% of its reviews on movies that are also
    learnt from and reads about 1.5 points too high. Unlabelled reviews that are copies of a test
    review are dropped. Rows stand as neg then pos, by number.
    """

    official_test = True
    _COUNTS = Counts(per_class=12_500, unlabelled=50_000, copies=270)

    def __init__(
        self,
        *,
        root: str | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        exclude: Exclude | None = None,
        robustness: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Names the source; nothing is read yet.

        Args:
            root: a folder that is or holds `aclImdb/`, a tar of it (gz, xz, bz2 or plain), or a
                folder that holds such a tar (`aclImdb*.tar*`). None: the archive is looked for in
                the cache folder's `downloads`, and else downloaded from Stanford (84 MB).
            validation_fraction: the share of train that chooses epochs and settings, above 0,
                below 1.
            split_seed: draws the validation movies.
            exclude: `robustness` keeps the 2,458 train reviews that the contrast sets and the
                counterfactual pairs were written from (`datamodules.robustness`) out of all that
                is learnt and out of validation, so that the model can be judged by those sets.
            robustness: the folder of their seven files. None: `robustness` beside the corpus,
                else the cache folder's `downloads`, where what is missing is downloaded.
            **kwargs: see TextDataModule.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        if exclude not in (None, *get_args(Exclude)):
            raise DataError(f"data.exclude is {exclude!r}; it must be null or 'robustness'")
        self.label_names = ("negative", "positive")
        super().__init__(**kwargs)
        self.root = root
        self.exclude = exclude
        self.robustness = robustness
        self.validation_fraction = validation_fraction
        self.split_seed = split_seed

    def source(self) -> dict[str, Any]:
        """The identity of the files, from their sizes and times alone."""
        # The key "validation" is part of the addresses of stores that exist.
        split = {"validation": self.validation_fraction, "split_seed": self.split_seed}
        identity: dict[str, Any] = {"corpus": "imdb", "reader": READER_VERSION, **split}
        if self.exclude is not None:
            identity["exclude"] = self.exclude
        if self.root is None:
            return {**identity, "archive": ARCHIVE, "md5": MD5}
        place = find_corpus(Path(self.root))
        identity["path"] = str(place.resolve())
        if place.is_file():
            return {**identity, **_stamp(place)}
        return {**identity, "files": {name: _stamp(place / name) for name in FOLDERS + URL_LISTS}}

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: the corpus is missing, damaged, incomplete or not UTF-8.
        """
        place = self._place()
        files = _collect(place)
        self._check(place, files)
        train = _split(files, "train/neg", "train/pos")
        test = _split(files, "test/neg", "test/pos")
        every = _split(files, "train/unsup")
        unlabelled = drop_copies(every, test.texts)
        copies = len(every) - len(unlabelled)
        if copies != self._COUNTS.copies:
            raise DataError(
                f"{place}: {copies} unlabelled reviews are copies of a test review, the corpus has "
                f"exactly {self._COUNTS.copies}: its texts were changed. {_REMEDY}"
            )
        movies = np.concatenate([files.movies["neg"], files.movies["pos"]])
        size = max(round(len(train) * self.validation_fraction), 1)
        val_rows = grouped_split(
            train.labels,
            merge_groups(movies, train.texts),
            {"validation": size},
            self.split_seed,
        )["validation"]
        train_rows = np.setdiff1d(np.arange(len(train)), val_rows)
        corpus = Corpus("imdb", self.label_names, train, train_rows, val_rows, test, unlabelled)
        return corpus if self.exclude is None else leave_out(corpus, self.robustness_folder())

    def robustness_folder(self) -> Path:
        """Where the contrast sets and counterfactual pairs lie.

        Raises:
            DataError: they are not there and cannot be downloaded.
        """
        return find_folder(self.robustness, self.root, self.cache_dir)

    def _place(self) -> Path:
        if self.root is not None:
            place = find_corpus(Path(self.root))
        else:
            place = self.cache_dir / "downloads" / ARCHIVE
            if not place.exists():
                download(URL, place, MD5)
                return place  # the download has checked the sum
        if place.name == ARCHIVE:
            check_md5(place, MD5)
        return place

    def _check(self, place: Path, files: _Files) -> None:
        for folder, found in files.reviews.items():
            counts = self._COUNTS
            expected = counts.unlabelled if folder.endswith("unsup") else counts.per_class
            missing = next((n for n in range(expected) if n not in found), None)
            if len(found) != expected or missing is not None:
                hint = "" if missing is None else f" (the first missing is number {missing})"
                raise DataError(
                    f"{place}: {folder} has {len(found):,} reviews, must have {expected:,}, "
                    f"numbered from 0{hint}. {_REMEDY}"
                )
        for name in ("neg", "pos"):
            lines = len(files.movies.get(name, ()))
            if lines != self._COUNTS.per_class:
                raise DataError(
                    f"{place}: train/urls_{name}.txt has {lines:,} lines, must have one for each "
                    f"of the {self._COUNTS.per_class:,} reviews. {_REMEDY}"
                )


_REMEDY = f"Get the archive again from {URL}"


def find_corpus(root: Path) -> Path:
    """The `aclImdb` folder or the archive that `root` is or holds.

    Raises:
        DataError: there is none, or several archives to choose from.
    """
    root = root.expanduser()
    if root.is_file():
        return root
    if not root.exists():
        raise DataError(
            f"root={str(root)!r} does not exist; give a folder that holds aclImdb/ or a tar of it, "
            "or leave root out to have it downloaded"
        )
    for folder in (root, root / "aclImdb"):
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return folder
    archives = sorted(path for path in root.glob("aclImdb*.tar*") if path.is_file())
    official = [path for path in archives if path.name == ARCHIVE]
    if len(official or archives) != 1:
        names = ", ".join(path.name for path in archives) or "neither aclImdb/ nor aclImdb*.tar*"
        raise DataError(f"root={str(root)!r} holds {names}; name the one file or folder to read")
    return (official or archives)[0]


def parse_movies(content: bytes, place: str) -> np.ndarray:
    """The IMDb title numbers in a `urls_*.txt`, int64; line i is about review i.

    Raises:
        DataError: a line without a title.
    """
    movies = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        match = _TITLE.search(line)
        if match is None:
            raise DataError(
                f"{place}, line {number}: {line[:80]!r} names no title (…/title/tt…). {_REMEDY}"
            )
        movies.append(int(match[1]))
    return np.asarray(movies, dtype=np.int64)


def _stamp(path: Path) -> dict[str, int]:
    """Size and time of a file; the time alone of a folder, whose size means nothing."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing, so the corpus is not whole. {_REMEDY}") from error
    times = {"mtime_ns": status.st_mtime_ns}
    return times if path.is_dir() else {"size": status.st_size, **times}


def _wanted(name: str) -> bool:
    return _REVIEW.search(name) is not None or _URL_LIST.search(name) is not None


def _collect(place: Path) -> _Files:
    files = _Files()
    for name, content in _walk(place) if place.is_dir() else read_tar(place, _wanted):
        if match := _URL_LIST.search(name):
            files.movies[match[1][-7:-4]] = parse_movies(content, f"{place}: {match[1]}")
        elif match := _REVIEW.search(name):
            folder, number, rating = match[1], int(match[2]), match[3]
            if number in files.reviews[folder]:
                raise DataError(
                    f"{place}: {name} is a second review number {number} of {folder}. {_REMEDY}"
                )
            try:
                files.reviews[folder][number] = (rating, content.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{place}: {name} is not UTF-8 at byte {error.start} "
                    f"(0x{content[error.start]:02x}). {_REMEDY}"
                ) from error
    return files


def _walk(place: Path) -> Iterator[tuple[str, bytes]]:
    """The wanted files below a folder, as `read_tar` gives them."""
    for folder in FOLDERS:
        if not (place / folder).is_dir():
            raise DataError(f"{place}: the folder {folder} is missing. {_REMEDY}")
        names = [f"{folder}/{entry.name}" for entry in os.scandir(place / folder)]
        yield from ((name, _read_file(place / name)) for name in names if _REVIEW.search(name))
    for name in URL_LISTS:
        if not (place / name).is_file():
            raise DataError(f"{place}: the list of movies {name} is missing. {_REMEDY}")
        yield name, _read_file(place / name)


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MEMBER_LIMIT + 1)
    if len(content) > MEMBER_LIMIT:
        raise DataError(f"{path} has over {MEMBER_LIMIT:,} bytes, which no review has. {_REMEDY}")
    return content


def _split(files: _Files, *folders: str) -> TextSplit:
    texts: list[str] = []
    labels: list[int] = []
    keys: list[str] = []
    for label, folder in enumerate(folders):
        for number, (rating, text) in sorted(files.reviews[folder].items()):
            texts.append(text)
            labels.append(UNLABELLED if folder.endswith("unsup") else label)
            keys.append(f"{folder}/{number}_{rating}")
    return TextSplit(texts, np.asarray(labels, dtype=np.int64), keys)
