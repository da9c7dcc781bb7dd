"""TextFiles: your own data in CSV, TSV, JSONL or Parquet files, one text a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.tables import Table
from datamodules.splits import drop_copies, grouped_split, merge_groups, text_key
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.text import TextDataModule

READER_VERSION = 2
"""Part of the cache key: raise it whenever the same files would be read differently."""


class TextFiles(TextDataModule):
    """Corpus of your own: a file of training texts and up to three more.

    The format of a file follows from its ending: .csv, .tsv, .jsonl, .ndjson, .parquet. Labels are
    text or numbers; the classes are the labels of the train file, sorted (numbers by value).
    Without a validation file a share of train is set aside, stratified, with copies of one text on
    one side. Unlabelled texts that are copies of a test text are dropped.
    """

    def __init__(
        self,
        *,
        train: str,
        validation: str | None = None,
        test: str | None = None,
        unlabelled: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Reads the labels of the train file; `prepare_data` reads the rest.

        Args:
            train: file of labelled training texts.
            validation: file of labelled texts to select epochs and settings. None: a share of
                train.
            test: file of labelled texts of the final evaluation. None: there is none.
            unlabelled: file of texts without labels, for methods that train on them. None: there is
                none.
            text_column: name of the column of texts, in every file. None: the one with a common
                name.
            label_column: name of the column of labels, in every file. None: the one with a common
                name.
            validation_fraction: share of train set aside where there is no validation file.
            split_seed: random seed of that draw.
            **kwargs: see TextDataModule.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        super().__init__(**kwargs)
        files = {"train": train, "validation": validation, "test": test, "unlabelled": unlabelled}
        self.files = {part: Path(name).expanduser() for part, name in files.items() if name}
        self.validation_fraction = validation_fraction
        self.split_seed = split_seed
        table = Table(self.files["train"])
        self.text_column, self.label_column = table.find_columns(text_column, label_column)
        self.label_names = _scan_labels(
            table.path, *table.stamp(), self.text_column, self.label_column
        )

    def source(self) -> dict[str, Any]:
        """Identity of the files, from their sizes and times alone."""
        return {
            "corpus": "files",
            "reader": READER_VERSION,
            "files": {
                part: [str(path.resolve()), *Table(path).stamp()]
                for part, path in self.files.items()
            },
            "columns": [self.text_column, self.label_column],
            "validation_fraction": self.validation_fraction,
            "split_seed": self.split_seed,
        }

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: a file is missing or malformed; the message names the file and the row.
        """
        train = self._read("train")
        assert train is not None
        parts = {"train": train.texts}
        if validation := self._read("validation"):
            rows = np.arange(len(train) + len(validation))
            train_rows, val_rows = rows[: len(train)], rows[len(train) :]
            parts["validation"] = validation.texts
            train = TextSplit(
                train.texts + validation.texts,
                np.concatenate([train.labels, validation.labels]),
                train.keys + validation.keys,
            )
        else:
            train_rows, val_rows = self._draw_validation(train)
        test, unlabelled = self._read("test"), self._read("unlabelled")
        if test is not None and unlabelled is not None:
            unlabelled = drop_copies(unlabelled, test.texts)
        if test is not None:
            parts["test"] = test.texts
        path = self.files["train"].resolve()
        return Corpus(
            path.parent.name if path.stem == "train" else path.stem,
            self.label_names,
            train,
            train_rows,
            val_rows,
            test,
            unlabelled,
            notes=_overlap(parts),
        )

    def _read(self, part: str) -> TextSplit | None:
        """Checked rows of a file; None where there is no such file."""
        if part not in self.files:
            return None
        table = Table(self.files[part])
        classes = {name: number for number, name in enumerate(self.label_names)}
        label_column = None if part == "unlabelled" else self.label_column
        texts: list[str] = []
        labels: list[int] = []
        keys: list[str] = []
        for row, text, label in table.rows(self.text_column, label_column):
            if part == "train" and not text.strip():
                raise DataError(
                    f"{table.where(row)}: the text is empty; a training text must have words. Fill "
                    "it in, or remove the row"
                )
            if label is not None and label not in classes:
                raise DataError(
                    f"{table.where(row)}: label {label!r} does not occur in the train file, whose "
                    f"labels are {_listed(self.label_names)}; correct the label, or add training "
                    "texts with it"
                )
            texts.append(text)
            labels.append(UNLABELLED if label is None else classes[label])
            keys.append(f"{table.path.name}:{row}")
        if not texts:
            raise DataError(f"{table.path}: has no rows; give a file with at least one")
        return TextSplit(texts, np.asarray(labels, dtype=np.int64), keys)

    def _draw_validation(self, train: TextSplit) -> tuple[np.ndarray, np.ndarray]:
        # The only row of a class remains a training row.
        rows = np.flatnonzero(np.bincount(train.labels)[train.labels] > 1)
        size = max(round(len(train) * self.validation_fraction), 1)
        # Not exact: a text with a thousand copies is a group that may not fit the remaining places.
        drawn = grouped_split(
            train.labels[rows],
            merge_groups(None, train.texts)[rows],
            {"validation": min(size, len(rows))},
            self.split_seed,
            exact=False,
        )["validation"]
        val_rows = rows[drawn]
        train_rows = np.setdiff1d(np.arange(len(train)), val_rows)
        missing = set(range(len(self.label_names))) - set(train.labels[train_rows].tolist())
        if len(val_rows) == 0 or missing:
            raise DataError(
                f"{self.files['train']}: {len(train):,} rows have too few different texts to set "
                f"aside {self.validation_fraction:.0%} of them for validation; give a validation "
                "file or more rows, or set another data.validation_fraction"
            )
        return train_rows, val_rows


@lru_cache(maxsize=16)
def _scan_labels(
    path: Path, size: int, mtime_ns: int, text_column: str, label_column: str
) -> tuple[str, ...]:
    """Sorted label names of a train file; size and time are keys of the cache."""
    rows = Table(path).rows(text_column, label_column)
    names = {label for _, _, label in rows if label is not None}
    if not names:
        raise DataError(f"{path}: has no rows; give a file with labelled texts")
    if len(names) == 1:
        raise DataError(
            f"{path}: column {label_column!r} has the one label {names.pop()!r} throughout; a "
            "classifier needs at least two. Set another label_column, or add rows"
        )
    return tuple(sorted(names, key=_number if all(map(_is_number, names)) else str))


def _number(name: str) -> tuple[float, str]:
    return float(name), name


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False


def _overlap(parts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Sentences on the texts of a part that are also in one before it."""
    keys = {part: [text_key(text) for text in texts] for part, texts in parts.items()}
    notes = []
    for other, part in combinations(parts, 2):
        known = set(keys[other])
        if copies := sum(key in known for key in keys[part]):
            count = f"{copies:,} of the {len(parts[part]):,} {part} texts"
            notes.append(f"{count} are also in the {other} data.")
    return tuple(notes)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
