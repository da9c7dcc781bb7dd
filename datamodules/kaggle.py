"""Kaggle: the corpus of its contest "Bag of Words Meets Bags of Popcorn"."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.archive import TOTAL_LIMIT
from datamodules.reading.opening import undecodable
from datamodules.splits import drop_copies, grouped_split, merge_groups
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.text import TextDataModule

READER_VERSION = 2
"""Part of the cache key: raise it whenever the same files would be read differently."""

CONTEST = "https://www.kaggle.com/c/word2vec-nlp-tutorial/data"
LABELLED, TEST, UNLABELED = "labeledTrainData.tsv", "testData.tsv", "unlabeledTrainData.tsv"
_COLUMNS = {
    LABELLED: ["id", "sentiment", "review"],
    TEST: ["id", "review"],
    UNLABELED: ["id", "review"],
}
_RATING = re.compile(r"\d+_\d+")
_ESCAPED = re.compile(r'\\"|""')

NOTE = (
    "The ids of Kaggle's files name no movie, so validation keeps only copies of a review on one "
    "side: most of its movies are learnt from too, and accuracy reads about 1.4 points higher than "
    "on other movies."
)


class ContestRow(NamedTuple):
    """Line of a contest file; `sentiment` is "" in files without that column."""

    line: int
    id: str
    sentiment: str
    review: str


class Kaggle(TextDataModule):
    """25,000 labelled reviews, 50,000 without labels, and 25,000 to predict for a submission.

    The reviews are the official IMDB reviews. An id ends in the star rating (`12311_10`), which
    reveals the label, so the corpus has line numbers instead of ids. The reviews to predict have no
    labels and are no test split; `lit-sentiment submit` reads them. Unlabelled reviews that are
    copies of one of them are dropped.
    """

    paths = ("root", *TextDataModule.paths)

    def __init__(
        self, *, root: str, validation_fraction: float = 0.1, split_seed: int = 0, **kwargs: Any
    ) -> None:
        """Names the source, which is read by `prepare_data`.

        Args:
            root: folder of `labeledTrainData.tsv`, `testData.tsv` and, optionally,
                `unlabeledTrainData.tsv`, each plain or zipped (`….tsv.zip`).
            validation_fraction: share of the labelled rows set aside to select epochs and settings,
                above 0, below 1. Drawn by class, with copies of one review on one side.
            split_seed: random seed of that draw.
            **kwargs: see TextDataModule.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        self.label_names = ("negative", "positive")
        super().__init__(**kwargs)
        self.root, self.validation_fraction, self.split_seed = (
            Path(root).expanduser(),
            validation_fraction,
            split_seed,
        )

    def source(self) -> dict[str, Any]:
        """Identity of the files, from their sizes and times alone."""
        files = [find_file(self.root, name) for name in (LABELLED, TEST)]
        if unlabelled := find_optional(self.root, UNLABELED):
            files.append(unlabelled)
        stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        # The key "validation" is part of the addresses of existing stores.
        split = {"validation": self.validation_fraction, "split_seed": self.split_seed}
        return {"corpus": "kaggle", "reader": READER_VERSION, "files": stamps, **split}

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: a file is missing or malformed; the message names the file and the line.
        """
        train = self._split(LABELLED)
        unlabelled = self.read_unlabelled()
        if unlabelled is not None:
            unlabelled = drop_copies(unlabelled, self.to_submit()[1])
        val_rows = grouped_split(
            train.labels,
            merge_groups(None, train.texts),
            {"validation": max(round(len(train) * self.validation_fraction), 1)},
            self.split_seed,
            exact=False,
        )["validation"]
        train_rows = np.setdiff1d(np.arange(len(train)), val_rows)
        if len(val_rows) == 0 or len(np.unique(train.labels[train_rows])) < 2:
            raise DataError(
                f"{find_file(self.root, LABELLED)}: {len(train):,} reviews of "
                f"{len(np.unique(train.labels))} labels are too few to set aside "
                f"{self.validation_fraction:.0%} for validation and train on both labels; get the "
                f"file again from {CONTEST}"
            )
        return Corpus(
            "kaggle",
            self.label_names,
            train,
            train_rows,
            val_rows,
            unlabelled=unlabelled,
            notes=(NOTE,),
        )

    def read_unlabelled(self) -> TextSplit | None:
        """Reviews of `unlabeledTrainData.tsv`, copies of test reviews too."""
        return self._split(UNLABELED) if find_optional(self.root, UNLABELED) else None

    def to_submit(self) -> tuple[list[str], list[str]]:
        """Ids of the contest's test reviews, for a submission, and their texts.

        Raises:
            DataError: the file is missing or malformed.
        """
        rows = list(read_rows(find_file(self.root, TEST), TEST))
        return [row.id for row in rows], [row.review for row in rows]

    def _split(self, name: str) -> TextSplit:
        path = find_file(self.root, name)
        texts: list[str] = []
        labels: list[int] = []
        keys: list[str] = []
        for row in read_rows(path, name):
            if name == LABELLED and row.sentiment not in ("0", "1"):
                raise DataError(
                    f"{path}, line {row.line}: sentiment is {row.sentiment!r}, must be 0 or 1; get "
                    f"the file again from {CONTEST}"
                )
            texts.append(row.review)
            labels.append(int(row.sentiment) if row.sentiment else UNLABELLED)
            keys.append(f"{name}:{row.line}")
        leak = next((key for key in keys if _RATING.search(key)), None)
        assert leak is None, f"{leak} reveals the rating"
        return TextSplit(texts, np.asarray(labels, dtype=np.int64), keys)


def find_optional(root: Path, name: str) -> Path | None:
    """Path of one of the contest's files, plain or zipped; None where there is none."""
    paths = (path for path in (root / name, root / f"{name}.zip") if path.is_file())
    return next(paths, None)


def find_file(root: Path, name: str) -> Path:
    """Path of one of the contest's files, plain or zipped.

    Raises:
        DataError: there is none.
    """
    if (path := find_optional(root, name)) is None:
        raise DataError(
            f"{root}: contains neither {name} nor {name}.zip; get it from {CONTEST} and set --root "
            "to its folder"
        )
    return path


def read_rows(path: Path, name: str) -> Iterator[ContestRow]:
    r"""Yields the rows of one of the contest's files.

    A line is a row and a tab ends a field, even within quotation marks (`quoting=3`). A field may
    be in quotation marks; those within are then written `\"` or `""`. The review is the last field:
    a tab in it is part of it.

    Args:
        path: the file, plain or zipped.
        name: published name of the file.

    Raises:
        DataError: the file is not UTF-8, or has another header, too few fields or unbalanced
            quotation marks.
    """
    columns = _COLUMNS[name]
    # Not splitlines: a review may contain one of Unicode's line ends, such as U+0085.
    lines = _content(path, name).split("\n")
    header = [_plain(path, 1, field) for field in lines[0].rstrip("\r").split("\t")]
    if header != columns:
        raise DataError(
            f"{path}, line 1: the columns are {header}, must be {columns}; get the file again from "
            f"{CONTEST}"
        )
    count = 0
    for number, line in enumerate(lines[1:], 2):
        if not (line := line.rstrip("\r")):
            continue
        fields = line.split("\t", len(columns) - 1)
        if len(fields) < len(columns):
            raise DataError(
                f"{path}, line {number}: has {len(fields)} of the {len(columns)} fields {columns}; "
                "put one review on one line"
            )
        plain = [_plain(path, number, field) for field in fields]
        count += 1
        yield ContestRow(number, plain[0], plain[1] if len(plain) == 3 else "", plain[-1])
    if not count:
        raise DataError(f"{path}: has no reviews; get the file again from {CONTEST}")


def _plain(path: Path, line: int, field: str) -> str:
    """Field without the quotation marks around it and the escapes within."""
    if not field.startswith('"') and not field.endswith('"'):
        return field
    inner = field[1:-1]
    escaped = (len(inner) - len(inner.rstrip("\\"))) % 2  # the closing mark belongs to the text
    if len(field) < 2 or not (field.startswith('"') and field.endswith('"')) or escaped:
        raise DataError(
            f"{path}, line {line}: unbalanced quotation marks in {field[:40]!r}…; put one at both "
            r"ends or at none, and write those within as \" or doubled"
        )
    return _ESCAPED.sub('"', inner)


def _content(path: Path, name: str) -> str:
    try:
        data = _unzipped(path, name) if path.suffix == ".zip" else path.read_bytes()
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{path}: cannot be read ({error}); get it again from {CONTEST}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if path.suffix == ".zip":
            line = data[: error.start].count(b"\n") + 1
            raise DataError(
                f"{path}, line {line}: is not UTF-8 ({error.reason}); get the file again from "
                f"{CONTEST}"
            ) from error
        raise undecodable(path, error, remedy="get the file again") from error


def _unzipped(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if Path(info.filename).name == name]
        members = [info for info in members if not info.filename.startswith("__MACOSX")]
        if len(members) != 1 or members[0].file_size > TOTAL_LIMIT:
            raise DataError(
                f"{path}: must contain one {name} of at most {TOTAL_LIMIT:,} bytes, contains "
                f"{[info.filename for info in archive.infolist()][:5]}; get it again from {CONTEST}"
            )
        return archive.read(members[0])
