"""TextFiles: your own data in CSV, TSV, JSON or Parquet files, one text a row."""

from __future__ import annotations

from array import array
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datamodules.console import say_once
from datamodules.errors import DataError
from datamodules.holdout import draw_validation, overlap_notes
from datamodules.reading.classes import class_notes
from datamodules.reading.labels import is_blank
from datamodules.reading.opening import FileSettings
from datamodules.reading.tables import Table
from datamodules.reading.train_labels import LabelColumn, label_cells, number_of, scan_labels
from datamodules.splits import text_key
from datamodules.store.cache import digest
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit, read_head
from datamodules.store.label_sets import multi_hot
from datamodules.store.stored_texts import StoredTexts, TextSpool
from datamodules.text import TextDataModule

READER_VERSION = 3
"""Part of the cache key: raise it whenever the same files would be read differently."""

_PARTS = ("train", "validation", "test", "unlabelled")


class TextFiles(TextDataModule):
    """Corpus of your own: a file of training texts and up to three more.

    The format of a file follows from its ending (`datamodules.reading.tables.Table`). Labels are
    text or numbers; the classes are the labels of the train file, sorted (numbers by value).
    Without a validation file a share of train is set aside, stratified, with copies of one text on
    one side. Unlabelled texts that are copies of a test text are dropped.

    A text may have several labels, or none: in a list (JSON, Parquet), or in one cell with a
    separator. Labels are then multi-hot.
    """

    paths: ClassVar[tuple[str, ...]] = (*_PARTS, *TextDataModule.paths)
    reads_all: bool = False  # for an audit, also what no model could be fitted to
    test_remedy: ClassVar[str] = (
        "name a file of labelled texts with --data.test FILE, here or when the run is fitted"
    )

    def __init__(
        self,
        *,
        train: str,
        validation: str | None = None,
        test: str | None = None,
        unlabelled: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        label_separator: str | None = None,
        group_column: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        header: bool = True,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Finds the labels of the train file; `prepare_data` reads the rest.

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
            label_separator: what divides the labels of a text that may have several, such as `|`.
                None: a text has one, or those of a list.
            group_column: name of a column in every labelled file, such as the author or the
                product: rows with the same value are on one side of the validation split and of
                folds, and count together in statistics. A language model keeps those of a file
                without labels together too, if it has the column. None: each row counts on its own.
            encoding: encoding of the text in CSV, TSV and JSON files, such as `cp1252`. None:
                UTF-8, or what a byte order mark says.
            delimiter: character between two fields of CSV and TSV files. None: guessed.
            header: the first line of CSV and TSV files has the names of the columns. False: it is a
                row, and the columns are called 1, 2, …
            validation_fraction: share of train set aside where there is no validation file.
            split_seed: random seed of that draw.
            **kwargs: see TextDataModule.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        super().__init__(**kwargs)
        files = dict(zip(_PARTS, (train, validation, test, unlabelled), strict=True))
        self.files = {part: Path(name).expanduser() for part, name in files.items() if name}
        for part, path in self.files.items():
            if path.name != path.name.encode(errors="replace").decode():
                raise DataError(
                    f"data.{part} is {ascii(path.name)}; keys of rows have the name of their file, "
                    "which must be UTF-8: rename it"
                )
        self.file_settings = FileSettings(encoding, delimiter, header)
        self.validation_fraction = validation_fraction
        self.split_seed, self.group_column = split_seed, group_column
        table = self._table("train")
        for remark in table.remarks():
            say_once(remark)
        self.text_column, self.label_column = table.find_columns(text_column, label_column)
        if group_column in (self.text_column, self.label_column):
            raise DataError(
                f"data.group_column is {group_column!r}, which is the column of texts or labels; "
                f"choose another of {table.columns()}"
            )
        self.label_separator = label_separator
        self.label_names, self.label_sets = self._labels(table)
        self.multi_label = self.label_sets is not None
        if self.multi_label and self.teacher is not None:
            raise DataError(
                f"data.teacher is {self.teacher!r}, whose probabilities are of one label a text, "
                "and these texts have several; leave it out"
            )

    def source(self) -> dict[str, Any]:
        """Identity of the files, from their sizes and times alone."""
        further: dict[str, Any] = {"keep_blank": True} if self.reads_all else {}
        if self.label_separator is not None:
            further["label_separator"] = self.label_separator
        return {
            **further,
            "corpus": "files",
            "reader": READER_VERSION,
            "files": {
                part: [str(path.resolve()), *self._table(part).stamp()]
                for part, path in self.files.items()
            },
            "columns": [self.text_column, self.label_column, self.group_column],
            "settings": vars(self.file_settings),
            "validation_fraction": self.validation_fraction,
            "split_seed": self.split_seed,
        }

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: a file is missing or malformed; the message names the file and the row.
        """
        notes: list[str] = []
        groups: dict[str, int] = {}
        train = self._read("train", notes, groups)
        assert train is not None
        parts = {"train": train}
        names = dict(enumerate(self.label_names))
        numbers = np.nonzero(train.labels)[1] if self.multi_label else train.labels
        counts = Counter(numbers.tolist())
        notes += class_notes(
            self.files["train"].name, {names[label]: counts[label] for label in sorted(counts)}
        )
        if validation := self._read("validation", notes, groups):
            rows = np.arange(len(train) + len(validation))
            train_rows, val_rows = rows[: len(train)], rows[len(train) :]
            parts["validation"] = validation
            train = _joined(train, validation)
        else:
            val_rows, remarks = self._draw_validation(train)
            train_rows = np.setdiff1d(np.arange(len(train)), val_rows)
            notes += remarks
        test = self._read("test", notes, groups)
        if test is not None:
            parts["test"] = test
        unlabelled = self._read("unlabelled", notes, groups, test)
        path = self.files["train"].resolve()
        stem = self._table("train").stem
        return Corpus(
            path.parent.name if stem == "train" else stem,
            self.label_names,
            train,
            train_rows,
            val_rows,
            test,
            unlabelled,
            notes=(*notes, *overlap_notes(parts)),
        )

    def read_unlabelled(self) -> TextSplit | None:
        """Texts of the file without labels, copies of test texts too."""
        return self._read("unlabelled", [], {})

    def group_names(self) -> dict[int, str]:
        """Name of each group by its number: a value of `group_column`, or the name of a row."""
        groups: dict[str, int] = {}
        for part in _PARTS[:3]:
            self._read(part, [], groups)
        return {number: name.removeprefix("=") for name, number in groups.items()}

    def _labels(self, table: Table) -> LabelColumn:
        """Labels of the train file, from its corpus if that is cached: a large file takes long."""
        columns, separator = (self.text_column, self.label_column), self.label_separator
        if all(path.exists() for path in self.files.values()):
            # A subclass may not know its own source yet.
            folder = self.cache_dir / "corpora" / digest(TextFiles.source(self))
            if folder.exists():
                names = read_head(folder).label_names
                return LabelColumn(names, label_cells(table, self.label_column, separator))
        return scan_labels(table.path, *table.stamp(), self.file_settings, columns, separator)

    def _draw_validation(self, train: TextSplit) -> tuple[np.ndarray, list[str]]:
        place = f"{self.files['train']}"
        try:
            return draw_validation(
                train, self.validation_fraction, self.split_seed, place, self.group_column
            )
        except DataError:
            if not self.reads_all:
                raise
            return np.zeros(0, dtype=np.int64), []

    def _table(self, part: str) -> Table:
        return Table(self.files[part], self.file_settings)

    def _read(
        self, part: str, notes: list[str], groups: dict[str, int], without: TextSplit | None = None
    ) -> TextSplit | None:
        """Checked rows of a file; None where there is no such file.

        Args:
            part: name of the file.
            notes: gets the sentences on its odd rows.
            groups: numbers of the groups by name; gets those of the file.
            without: rows whose text is a copy of one of these are left out. None: all are kept.
        """
        if part not in self.files:
            return None
        table = self._table(part)
        for remark in table.remarks():
            say_once(remark)
        classes = {name: number for number, name in enumerate(self.label_names)}
        labelled = part != "unlabelled"
        copies = set() if without is None else {text_key(one) for one in without.texts}
        spool, rows = TextSpool(self.cache_dir / "corpora", "text", "key"), 0
        labels: list[Any] = []
        of_group = array("q")
        prefix = f"{table.path.name}:"
        # Texts without labels need not have groups, which only language models ask for.
        has_groups = labelled or self.group_column in table.columns()
        group_column = self.group_column if has_groups else None
        for row, text, label, group in table.rows(
            self.text_column, self.label_column if labelled else None, group_column, self.label_sets
        ):
            if part == "train" and not self.reads_all and is_blank(text):
                raise DataError(
                    f"{table.where(row)}: the text is empty; a training text must have words. Fill "
                    "it in, or remove the row"
                )
            rows += 1
            if copies and text_key(text) in copies:
                continue
            where = partial(table.where, row)
            if isinstance(label, tuple):
                labels.append([number_of(one, classes, where, self.label_names) for one in label])
            elif label is not None:
                labels.append(number_of(label, classes, where, self.label_names))
            spool.append(text, f"{prefix}{row}")
            if group_column is not None:  # a row without a group is one of its own
                name = f"{prefix}{row}" if group is None else f"={group}"
                of_group.append(groups.setdefault(name, len(groups)))
        if not rows:
            raise DataError(f"{table.path}: has no rows; give a file with at least one")
        notes += table.notes()
        texts, keys = spool.finish()
        if not labelled:
            numbers = np.full(len(texts), UNLABELLED)
        elif self.multi_label:
            numbers = multi_hot(labels, len(self.label_names))
        else:
            numbers = np.asarray(labels, dtype=np.int64)
        of_groups = np.array(of_group, dtype=np.int64) if group_column is not None else None
        return TextSplit(texts, numbers, keys, of_groups)


def _joined(one: TextSplit, other: TextSplit) -> TextSplit:
    groups = None
    if one.groups is not None and other.groups is not None:
        groups = np.concatenate([one.groups, other.groups])
    labels = np.concatenate([one.labels, other.labels])
    assert isinstance(one.texts, StoredTexts) and isinstance(other.texts, StoredTexts)
    assert isinstance(one.keys, StoredTexts) and isinstance(other.keys, StoredTexts)
    return TextSplit(one.texts + other.texts, labels, one.keys + other.keys, groups)
