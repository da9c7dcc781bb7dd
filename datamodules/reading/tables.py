"""Table: a file of texts and labels, its columns found and its rows checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from datamodules.errors import DataError
from datamodules.reading import delimited, lines, objects, parquet
from datamodules.reading.label_cells import LabelCells
from datamodules.reading.labels import Labels, Places, is_missing, is_unusual
from datamodules.reading.opening import COMPRESSIONS, FileSettings, SourceFile, inner_name

_SCALARS = str | int | float | Decimal
TEXT_NAMES = ("text", "review", "review_text", "sentence", "content", "body", "comment", "tweet")
LABEL_NAMES = ("label", "labels", "sentiment", "class", "category", "target", "polarity")

READERS: dict[str, ModuleType] = {
    ".csv": delimited,
    ".txt": delimited,
    ".tsv": delimited,
    ".jsonl": objects,
    ".ndjson": objects,
    ".json": objects,
    ".parquet": parquet,
}
"""Modules with `columns(file)` and `rows(file, wanted)`, by ending."""


TEXT_READERS = {**READERS, ".txt": lines}
"""The same, and text files with a text on each line, which have no labels."""


class Table:
    """File of rows.

    The number of a row is the line where it starts, in CSV, TSV and JSON lines; counted from 1 in
    Parquet and in an array of JSON.

    Args:
        path: file that ends in .csv, .txt, .tsv, .jsonl, .ndjson, .json or .parquet, and .gz, .bz2,
            .xz or .zip after that where it is compressed.
        settings: how it is read.
        readers: endings that are read.

    Raises:
        DataError: there is no such file, or it has another ending.
    """

    def __init__(
        self,
        path: Path,
        settings: FileSettings = FileSettings(),  # noqa: B008
        readers: Mapping[str, ModuleType] = READERS,
    ) -> None:
        self.path = path
        if not path.is_file() and inner_name(path).suffix.lower() in readers:
            what = "is a folder; give a file" if path.is_dir() else "no such file; check the path"
            here = "" if path.is_absolute() else f" (relative to {Path.cwd()})"
            raise DataError(f"{path}: {what}{here}")
        self.file = SourceFile(path, settings)
        if self.file.ending not in readers:
            raise DataError(
                f"{path}: the ending {self.file.ending!r} is unknown; give a file that ends in "
                f"{', '.join(readers)}, or compressed, with {', '.join(COMPRESSIONS)} after that"
            )
        self._reader = readers[self.file.ending]
        self.labels = Labels()
        self._unusual, self._missing = Places(), Places()

    @property
    def stem(self) -> str:
        """Name of the file without its endings."""
        return inner_name(self.path).stem

    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of the last change in nanoseconds."""
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns

    def where(self, row: int) -> str:
        """Name of a row in messages."""
        return self.file.where(row)

    def remarks(self) -> tuple[str, ...]:
        """Sentences on what was guessed to read the file."""
        return delimited.dialect_of(self.file).remarks if self._reader is delimited else ()

    def notes(self) -> list[str]:
        """Sentences on odd labels and texts of the rows that were read, with their remedy."""
        unit = self.file.unit
        notes = self.labels.notes(self.path.name, unit)
        if self._unusual.count:
            notes.append(
                f"{self.path.name}: {self._unusual.count:,} texts have invisible characters or are "
                f"not in Unicode's normal form C ({self._unusual.words(unit)}), so that words that "
                "look alike may differ; normalise them if they should not."
            )
        if self._missing.count:
            notes.append(
                f"{self.path.name}: {self._missing.count:,} texts are a word for a missing one, "
                f"such as nan ({self._missing.words(unit)}); remove these rows if they are."
            )
        return notes

    def columns(self) -> list[str]:
        """Names of the columns, in order.

        Raises:
            DataError: the file is empty or unreadable.
        """
        names: list[str] = self._reader.columns(self.file)
        if not names:
            raise DataError(f"{self.path}: the file is empty; give one with column names and rows")
        return names

    def find_columns(self, text: str | None, label: str | None) -> tuple[str, str]:
        """Columns of texts and labels.

        Args:
            text: name of the text column. None: the one with a common name.
            label: name of the label column. None: the one with a common name.

        Raises:
            DataError: a named column is missing; no column or several have a common name.
        """
        columns = self.columns()
        text_column = self._find(columns, "text_column", text, TEXT_NAMES)
        label_column = self._find(columns, "label_column", label, LABEL_NAMES)
        if text_column == label_column:
            raise DataError(
                f"{self.path}: text_column and label_column are both {text_column!r}; choose two "
                f"of {columns}"
            )
        return text_column, label_column

    def find_text_column(self, text: str | None) -> str:
        """Column of texts, found as `find_columns` does."""
        return self._find(self.columns(), "text_column", text, TEXT_NAMES)

    def has_lists(self, label_column: str) -> bool:
        """Whether the label of the first row is a list."""
        self._find(self.columns(), "label_column", label_column, ())
        first = next(iter(self._reader.rows(self.file, [label_column])), None)
        return first is not None and isinstance(first[1][0], list)

    def rows(
        self,
        text_column: str,
        label_column: str | None,
        group_column: str | None = None,
        sets: LabelCells | None = None,
    ) -> Iterator[tuple[int, str, str | tuple[str, ...] | None, str | None]]:
        """Yields (number, text, label, group); None where there is no such column.

        Rows without a label are left out, and named in an error at the end. Where texts have
        several labels (`sets`), there are none of these, and the label is a tuple of labels.

        Raises:
            DataError: a column is missing, the file malformed or of another encoding, a label
                missing.
        """
        columns = self.columns()
        wanted = [text_column]
        self._find(columns, "text_column", text_column, ())
        if label_column is not None:
            self._find(columns, "label_column", label_column, ())
            wanted.append(label_column)
        if group_column is not None:
            self._find(columns, "group_column", group_column, ())
            wanted.append(group_column)
        labels = self.labels = Labels()
        groups = Labels()
        self._unusual, self._missing = Places(), Places()
        label: str | tuple[str, ...] | None = None
        group: str | None = None
        for number, fields in self._reader.rows(self.file, wanted):
            text = fields[0]
            if type(text) is not str:
                self._check(number, "text", text_column, text, str)
                text = ""
            elif is_unusual(text):
                self._unusual.add(number)
            if len(text) < 10 and is_missing(text):
                self._missing.add(number)
            if label_column is not None and sets is not None:
                place = f"{self.where(number)}: column {label_column!r}"
                label = sets.spell(fields[1], number, labels, place)
            elif label_column is not None:
                if type(fields[1]) is not str:
                    self._check(
                        number, "label", label_column, fields[1], str | int | float | Decimal
                    )
                label = labels.spell(fields[1], number)
                if label is None:
                    continue
            if group_column is not None:
                self._check(number, "group", group_column, fields[-1], _SCALARS)
                group = groups.spell(fields[-1], number)
            yield number, text, label, group
        if labels.missing.count:
            raise DataError(
                f"{self.where(labels.missing.first[0])}: column {label_column!r} has no label"
                f"{self._further(labels.missing)}; fill it in, or remove the row"
            )

    def _further(self, places: Places) -> str:
        if places.count == 1:
            return ""
        return f", and {places.count:,} rows have none ({places.words(self.file.unit)})"

    def _check(self, number: int, what: str, column: str, value: Any, types: Any) -> None:
        if not (value is None or isinstance(value, types)):
            kinds = "a string" if what == "text" else "a string, a number or true/false"
            remedy = f"Set another --data.{what}_column"
            if isinstance(value, list) and what == "label":
                remedy += ", or give a list in every row, also in the first"
            if isinstance(value, dict):  # pandas' `to_json()` without `orient`
                remedy += ", or write an object for each row: to_json(orient='records') of pandas"
            raise DataError(
                f"{self.where(number)}: column {column!r} has {str(value)[:40]!r}, a "
                f"{type(value).__name__}; a {what} must be {kinds}. {remedy}"
            )

    def _find(
        self, columns: list[str], option: str, given: str | None, common: tuple[str, ...]
    ) -> str:
        without_names = ""
        if self._reader is delimited and self.file.settings.header:
            without_names = (
                "; if its first line is a row and has no names, set --data.header false and name "
                "columns by number, such as --data.text_column 1 --data.label_column 2"
            )
        if given is not None:
            if given not in columns:
                raise DataError(
                    f"{self.path}: {option} {given!r} occurs 0 times; choose one of the "
                    f"file's columns {columns}{without_names}"
                )
            return self._only(columns, option, given)
        matches = [name for name in columns if name.strip().lower() in common]
        if len(set(matches)) == 1:
            return self._only(columns, option, matches[0])
        if len(matches) != 1:
            reason = f"has {matches}" if matches else f"has none of {', '.join(common)}"
            raise DataError(
                f"{self.path}: {option} is not set, and the file {reason}; set --data.{option} to "
                f"one of its columns {columns}{'' if matches else without_names}"
            )
        return matches[0]

    def _only(self, columns: list[str], option: str, name: str) -> str:
        if (times := columns.count(name)) > 1:
            raise DataError(
                f"{self.path}: {option} {name!r} occurs {times} times in the columns {columns}; "
                "give the one to be read a name of its own"
            )
        return name
