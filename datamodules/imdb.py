"""IMDB: the corpus of Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.aclimdb import (
    ARCHIVE,
    MD5,
    REMEDY,
    URL,
    URL_LISTS,
    ReviewFiles,
    find_corpus,
    read_files,
    stamps,
)
from datamodules.reading.archive import check_md5, download
from datamodules.robustness import find_folder, leave_out
from datamodules.splits import drop_copies, grouped_split, merge_groups
from datamodules.store.corpus import Corpus, TextSplit
from datamodules.text import TextDataModule

Exclude = Literal["robustness"]
SplitBy = Literal["movie", "row"]

READER_VERSION = 2
"""Part of the cache key: raise it whenever the same files would be read differently."""


class Counts(NamedTuple):
    """Numbers of reviews in a complete corpus.

    Attributes:
        per_class: reviews of each class in train, and again in test.
        unlabelled: reviews without labels.
        copies: of these, copies of a test review.
    """

    per_class: int
    unlabelled: int
    copies: int


class IMDB(TextDataModule):
    """25,000 reviews for training and validation, 25,000 for test, 50,000 without labels.

    Classes are balanced. Validation is drawn from train so that no movie, and no copy of a review,
    is on both sides: in a random draw 97% of the reviews are about movies that training rows are
    about too, and accuracy reads 1.4 points higher (docs/protocol.md). Unlabelled reviews that are
    copies of a test review are dropped. Rows are in the order of class, then review number.
    """

    paths = ("root", "robustness", *TextDataModule.paths)

    official_test, task = True, "imdb-v1"
    _COUNTS = Counts(per_class=12_500, unlabelled=50_000, copies=270)

    def __init__(
        self,
        *,
        root: str | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        split_by: SplitBy = "movie",
        exclude: Exclude | None = None,
        robustness: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Names the source, which is read by `prepare_data`.

        Args:
            root: a folder that is or contains `aclImdb/`, a tar of it (gz, xz, bz2 or plain), or a
                folder that contains such a tar (`aclImdb*.tar*`). None: the archive in the cache
                folder's `downloads`, downloaded from Stanford (84 MB) if it is missing.
            validation_fraction: share of train set aside to select epochs and settings, above 0,
                below 1.
            split_seed: random seed of the draw of validation movies.
            split_by: `movie` keeps the reviews of a movie on one side. `row` draws single reviews,
                only to measure what that changes.
            exclude: `robustness` leaves the 2,458 train reviews that the contrast sets and the
                counterfactual pairs were written from (`datamodules.robustness`) out of training
                and validation, so that the model can be evaluated on those sets. None: no review.
            robustness: the folder of their seven files. None: `robustness` beside the corpus, else
                the cache folder's `downloads`, where missing files are downloaded.
            **kwargs: see TextDataModule.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        if exclude not in (None, *get_args(Exclude)):
            raise DataError(f"data.exclude is {exclude!r}; choose null or 'robustness'")
        if split_by not in get_args(SplitBy):
            raise DataError(f"data.split_by is {split_by!r}; choose one of {get_args(SplitBy)}")
        self.label_names = ("negative", "positive")
        super().__init__(**kwargs)
        self.root = root
        self.exclude = exclude
        self.robustness = robustness
        self.validation_fraction = validation_fraction
        self.split_seed = split_seed
        self.split_by = split_by

    def source(self) -> dict[str, Any]:
        """Identity of the files, from their sizes and times alone."""
        # The key "validation" is part of the addresses of existing stores.
        split = {"validation": self.validation_fraction, "split_seed": self.split_seed}
        identity: dict[str, Any] = {"corpus": "imdb", "reader": READER_VERSION, **split}
        if self.split_by != "movie":
            identity["split_by"] = self.split_by
        if self.exclude is not None:
            identity["exclude"] = self.exclude
        if self.root is None:
            return {**identity, "archive": ARCHIVE, "md5": MD5}
        place = find_corpus(Path(self.root))
        return {**identity, "path": str(place.resolve()), **stamps(place)}

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: the corpus is missing, damaged, incomplete or not UTF-8.
        """
        place = self._place()
        files = read_files(place)
        self._check(place, files)
        train = files.split("train/neg", "train/pos")
        test = files.split("test/neg", "test/pos")
        unsup = files.split("train/unsup")
        unlabelled = drop_copies(unsup, test.texts)
        copies = len(unsup) - len(unlabelled)
        if copies != self._COUNTS.copies:
            raise DataError(
                f"{place}: {copies} unlabelled reviews are copies of a test review, must be "
                f"{self._COUNTS.copies}: texts were changed. {REMEDY}"
            )
        size = max(round(len(train) * self.validation_fraction), 1)
        val_rows = grouped_split(
            train.labels,
            merge_groups(train.groups if self.split_by == "movie" else None, train.texts),
            {"validation": size},
            self.split_seed,
        )["validation"]
        train_rows = np.setdiff1d(np.arange(len(train)), val_rows)
        corpus = Corpus("imdb", self.label_names, train, train_rows, val_rows, test, unlabelled)
        return corpus if self.exclude is None else leave_out(corpus, self.robustness_folder())

    def stars(self, split: str) -> np.ndarray | None:
        """int64[N] ratings of a split's rows, which their names end with: `test/neg/10003_3`."""
        keys = self.store.keys(split)
        return np.array([int(key.rpartition("_")[2]) for key in keys], dtype=np.int64)

    def read_unlabelled(self) -> TextSplit:
        """The 50,000 reviews without labels, copies of test reviews too."""
        return read_files(self._place()).split("train/unsup")

    def robustness_folder(self) -> Path:
        """Folder of the contrast sets and counterfactual pairs.

        Raises:
            DataError: files are missing and cannot be downloaded.
        """
        return find_folder(self.robustness, self.root, self.cache_dir)

    def _place(self) -> Path:
        if self.root is not None:
            place = find_corpus(Path(self.root))
        else:
            place = self.cache_dir / "downloads" / ARCHIVE
            if not place.exists():
                download(URL, place, MD5)
                return place  # its MD5 was checked by the download
        if place.name == ARCHIVE:
            check_md5(place, MD5)
        return place

    def _check(self, place: Path, files: ReviewFiles) -> None:
        counts = self._COUNTS
        for folder, reviews in files.reviews.items():
            expected = counts.unlabelled if folder.endswith("unsup") else counts.per_class
            missing = next((n for n in range(expected) if n not in reviews), None)
            if len(reviews) != expected or missing is not None:
                hint = "" if missing is None else f" (the first missing is number {missing})"
                raise DataError(
                    f"{place}: {folder} has {len(reviews):,} reviews, must have {expected:,}, "
                    f"numbered from 0{hint}. {REMEDY}"
                )
        for name, folder in URL_LISTS.items():
            lines, expected = len(files.movies.get(folder, ())), len(files.reviews[folder])
            if lines != expected:
                raise DataError(
                    f"{place}: {name} has {lines:,} lines, must have one for each of the "
                    f"{expected:,} reviews. {REMEDY}"
                )
