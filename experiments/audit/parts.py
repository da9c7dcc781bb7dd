"""Corpus under audit: the rows of all its splits, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.imdb import IMDB
from datamodules.store.corpus import Corpus, DropsCopies
from datamodules.text import TextDataModule

SPLITS = ("train", "test", "unlabelled")


@dataclass(frozen=True, eq=False)
class Rows:
    """N rows of a corpus: those of train, validation rows included, of test, without labels.

    Attributes:
        texts: N texts.
        labels: int64[N]; -1 where a row has none.
        keys: N names in the source.
        split: int64[N], number of the split in `SPLITS`.
        row: int64[N], number of the row in its split.
        groups: int64[N], group of each row, such as its movie; None: each is a group of its own.
        label_names: Names of the classes.
        train_rows: int64, numbers in train of the rows that are learnt from or validated on.
    """

    texts: list[str]
    labels: NDArray[np.int64]
    keys: list[str]
    split: NDArray[np.int64]
    row: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    label_names: tuple[str, ...]
    train_rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, split: str) -> NDArray[np.int64]:
        """Numbers of the rows of a split among all N; its row r is at place r."""
        return np.flatnonzero(self.split == SPLITS.index(split))


def read_rows(data: TextDataModule) -> Rows:
    """Read all rows of a prepared corpus, with the unlabelled texts that its reader drops.

    Raises:
        DataError: A file is missing or damaged, or texts have several labels.
    """
    if data.multi_label:
        raise DataError(
            "the texts of this corpus have several labels, and an audit judges the one label of a "
            "text; audit files of one label each"
        )
    corpus = Corpus.load(data.corpus_folder)
    splits = dict(corpus.splits)
    whole = data.read_unlabelled() if isinstance(data, DropsCopies) else None
    if whole is not None:
        splits["unlabelled"] = whole
    present = [(number, splits[name]) for number, name in enumerate(SPLITS) if name in splits]
    labelled = [split for number, split in present if number < 2]
    groups = None
    if all(split.groups is not None for split in labelled):
        groups = np.concatenate(
            [
                np.full(len(split), -1) if split.groups is None else split.groups
                for _, split in present
            ]
        )
    return Rows(
        texts=[text for _, split in present for text in split.texts],
        labels=np.concatenate([split.labels for _, split in present]),
        keys=[key for _, split in present for key in split.keys],
        split=np.repeat([n for n, _ in present], [len(split) for _, split in present]),
        row=np.concatenate([np.arange(len(split)) for _, split in present]),
        groups=groups,
        label_names=corpus.label_names,
        train_rows=np.union1d(corpus.train_rows, corpus.val_rows),
    )


def group_names(data: TextDataModule, rows: Rows) -> tuple[str, dict[int, str]]:
    """Word for a group of this corpus, such as `movie`, and the names of the groups by number."""
    groups = np.zeros(0, dtype=np.int64) if rows.groups is None else rows.groups
    numbers = np.unique(groups[groups >= 0]).tolist()
    if isinstance(data, TextFiles) and data.group_column is not None:
        return data.group_column, data.group_names()
    if isinstance(data, IMDB):
        return "movie", {number: f"tt{number:07d}" for number in numbers}
    return "group", {number: f"{number}" for number in numbers}
