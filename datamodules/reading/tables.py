"""Table: a file of texts and labels, its columns found and its rows checked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datamodules.errors import DataError
from datamodules.reading.rows import READERS, undecodable, where

TEXT_NAMES = ("text", "review", "review_text", "sentence", "content", "body", "comment", "tweet")
LABEL_NAMES = ("label", "labels", "sentiment", "class", "category", "target", "polarity")


class Table:
    """File of rows.

    The number of a row is the line where it starts, in CSV, TSV and JSONL; counted from 1 in
    Parquet.

    Args:
        path: file that ends in .csv, .tsv, .jsonl, .ndjson or .parquet.

    Raises:
        DataError: there is no such file, or it has another ending.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.suffix.lower() not in READERS:
            raise DataError(
                f"{path}: the ending {path.suffix!r} is unknown; give a file that ends in "
                f"{', '.join(READERS)}"
            )
        if not path.is_file():
            raise DataError(f"{path}: no such file; check the path (relative to {Path.cwd()})")
        self._read_columns, self._read_rows = READERS[path.suffix.lower()]

    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of the last change in nanoseconds."""
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns

    def where(self, row: int) -> str:
        """Name of a row in messages."""
        return where(self.path, row)

    def columns(self) -> list[str]:
        """Names of the columns, in order.

        Raises:
            DataError: the file is empty or unreadable.
        """
        with self._readable():
            names = self._read_columns(self.path)
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

    def rows(
        self, text_column: str, label_column: str | None
    ) -> Iterator[tuple[int, str, str | None]]:
        """Yields (number, text, label); the label is None where `label_column` is None.

        Raises:
            DataError: a column is missing, the file malformed or not UTF-8, a label missing.
        """
        columns = self.columns()
        wanted = [text_column] if label_column is None else [text_column, label_column]
        for name in wanted:
            self._find(columns, "text_column" if name == text_column else "label_column", name, ())
        with self._readable():
            for number, fields in self._read_rows(self.path, wanted):
                label = None
                if label_column is not None:
                    value = fields[label_column]
                    self._check(number, "label", label_column, value, str | int | float)
                    if (label := _label_name(value)) is None:
                        raise DataError(
                            f"{self.where(number)}: column {label_column!r} has no label; fill it "
                            "in, or remove the row"
                        )
                text = fields[text_column]
                self._check(number, "text", text_column, text, str)
                yield number, text or "", label

    def _check(self, number: int, what: str, column: str, value: Any, types: Any) -> None:
        if not (value is None or isinstance(value, types)):
            kinds = "a string" if what == "text" else "a string, a number or true/false"
            raise DataError(
                f"{self.where(number)}: column {column!r} has {str(value)[:40]!r}, a "
                f"{type(value).__name__}; a {what} must be {kinds}. Set another {what}_column"
            )

    def _find(
        self, columns: list[str], option: str, given: str | None, common: tuple[str, ...]
    ) -> str:
        if given is not None:
            if (times := columns.count(given)) != 1:
                raise DataError(
                    f"{self.path}: {option} {given!r} occurs {times} times; choose one of the "
                    f"file's columns {columns}"
                )
            return given
        matches = [name for name in columns if name.strip().lower() in common]
        if len(matches) != 1:
            reason = f"has {matches}" if matches else f"has none of {', '.join(common)}"
            raise DataError(
                f"{self.path}: {option} is not set, and the file {reason}; set {option} to one of "
                f"its columns {columns} (the first line must have the names)"
            )
        return matches[0]

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise undecodable(self.path, error) from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error})") from error


def _label_name(value: Any) -> str | None:
    """Label as text, such as `true`, `3` or `pos`; None where the cell is empty."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # Whole numbers are floats in a column with a gap.
        return None if math.isnan(value) else str(int(value) if value.is_integer() else value)
    return None if value is None else str(value).strip() or None
