"""Texts to predict, read from a file of any size in pieces, every column with them."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datamodules.errors import DataError
from datamodules.reading import objects
from datamodules.reading.opening import FileSettings
from datamodules.reading.tables import TEXT_READERS, Table

_ROWS, _CHARACTERS = 2048, 8_000_000  # of a piece, at most
_STANDARD_INPUT = "-"
_PARQUET = ".parquet"


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of an input.

    Attributes:
        texts: What each row has in the column of texts.
        records: Fields of each row by column; a row of JSON may lack some.
        batch: The same as a `pyarrow.RecordBatch`, of a Parquet file.
    """

    texts: list[Any]
    records: list[dict[str, Any]]
    batch: Any = None

    def __len__(self) -> int:
        return len(self.records)

    def after(self, rows: int) -> Piece:
        """The piece without its first rows."""
        batch = None if self.batch is None else self.batch.slice(rows)
        return Piece(self.texts[rows:], self.records[rows:], batch)


@dataclass
class Contents:
    """Facts about an input, known when all of it was read once.

    Attributes:
        rows: Number of rows.
        columns: Names of all columns; those of JSON in the order of their first occurrence.
        kinds: Types of the values of each column: `str`, `int`, …; empty for a Parquet file.
        schema: `pyarrow.Schema` of a Parquet file.
    """

    rows: int = 0
    columns: list[str] = field(default_factory=list)
    kinds: dict[str, set[str]] = field(default_factory=dict)
    schema: Any = None


class TextInput:
    """File of texts: CSV, TSV, JSON lines, JSON, Parquet or one text a line, maybe compressed.

    Rows are read as they come; only an array of JSON is read at once.

    Args:
        path: The file.
        settings: How it is read.
        text_column: Name of the column of texts; None: the one with a common name.

    Raises:
        DataError: The file is missing, unreadable or has no such column.
    """

    def __init__(
        self, path: Path, settings: FileSettings, text_column: str | None, name: str | None = None
    ) -> None:
        self.path, self.name = path, name or str(path)
        with self._named():
            self.table = Table(path, settings, TEXT_READERS)
            given = self.table.columns()
            self.text_column = self.table.find_text_column(text_column)
            self.remarks = self.table.remarks()
        self._columns = distinct(given)
        self.renamed = [
            f"{self.name}: column {number} is a further {before!r} and is called {after!r}"
            for number, (before, after) in enumerate(zip(given, self._columns, strict=True), 1)
            if before != after
        ]

    def contents(self) -> Contents:
        """Read all of the file once, so that no fault of it ends the work halfway.

        Raises:
            DataError: A row is malformed or of another encoding, or no row has a text.
        """
        if self.table.file.ending == _PARQUET:
            found = self._of_parquet()
        else:
            found = Contents(columns=list(self._columns))
            kinds: dict[str, set[str]] = {name: set() for name in self._columns}
            with self._named():
                for _, record in self._records():
                    found.rows += 1
                    for name, value in record.items():
                        kinds.setdefault(name, set()).add(_kind(value))
            found.columns, found.kinds = list(kinds), kinds
        others = found.kinds.get(self.text_column, {"str"}) - {"NoneType"}
        if others and "str" not in others:
            raise DataError(
                f"{self.name}: column {self.text_column!r} has no texts but values of type "
                f"{', '.join(sorted(others))}; set another --text-column, one of {found.columns}"
            )
        return found

    def pieces(self, skipped: int = 0) -> Iterator[Piece]:
        """Yield the rows in their order, from the given one on."""
        with self._named():
            for piece in self._batches() if self.table.file.ending == _PARQUET else self._groups():
                if skipped < len(piece):
                    yield piece.after(skipped) if skipped else piece
                skipped = max(0, skipped - len(piece))

    def fingerprint(self) -> str:
        """SHA-256 of the file."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _of_parquet(self) -> Contents:
        import pyarrow as pa

        from datamodules.reading.parquet import shape

        with self._named():
            schema, rows = shape(self.table.file)
        kind = schema.field(self.text_column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        texts = texts or pa.types.is_string_view(kind)
        kinds = {self.text_column: {"str" if texts else str(kind)}}
        return Contents(rows, list(self._columns), kinds, schema)

    def _batches(self) -> Iterator[Piece]:
        from datamodules.reading.parquet import batches

        for batch in batches(self.table.file, size=_ROWS):
            batch = batch.rename_columns(self._columns)
            records = batch.to_pylist()
            yield Piece([record[self.text_column] for record in records], records, batch)

    def _groups(self) -> Iterator[Piece]:
        texts, records, characters = list[Any](), list[dict[str, Any]](), 0
        for _, record in self._records():
            text = record.get(self.text_column)
            texts.append(text)
            records.append(record)
            characters += len(text) if isinstance(text, str) else 0
            if len(records) == _ROWS or characters > _CHARACTERS:
                yield Piece(texts, records)
                texts, records, characters = [], [], 0
        if records:
            yield Piece(texts, records)

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        reader = TEXT_READERS[self.table.file.ending]
        if reader is objects:
            yield from objects.objects(self.table.file)
            return
        for number, fields in reader.rows(self.table.file, None):
            yield number, dict(zip(self._columns, fields, strict=True))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Call standard input so in errors, and not by the name of its copy."""
        try:
            yield
        except DataError as error:
            if self.name == str(self.path):
                raise
            raise DataError(str(error).replace(str(self.path), self.name)) from error


@contextmanager
def open_input(
    file: str, settings: FileSettings, text_column: str | None, kind: str | None = None
) -> Iterator[TextInput]:
    """Open a file of texts, or standard input, which is copied to a temporary file first.

    Args:
        file: Path, or `-` for standard input.
        settings: How it is read.
        text_column: Name of the column of texts; None: the one with a common name.
        kind: Format of standard input, such as `csv`; None: one text a line.

    Raises:
        DataError: The file is missing, unreadable or has no such column.
    """
    if file != _STANDARD_INPUT:
        yield TextInput(Path(file).expanduser(), settings, text_column)
        return
    if sys.stdin is None:
        raise DataError("--file -: standard input is closed; give a file, or < FILE")
    with tempfile.TemporaryDirectory(prefix="lit-sentiment-") as folder:
        copy = Path(folder) / f"input.{kind or 'txt'}"
        with copy.open("wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        yield TextInput(copy, settings, text_column, "standard input")


@contextmanager
def typed_input(texts: Sequence[str]) -> Iterator[TextInput]:
    """Typed texts as an input of the one column `text`."""
    with tempfile.TemporaryDirectory(prefix="lit-sentiment-") as folder:
        copy = Path(folder) / "input.jsonl"
        with copy.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        yield TextInput(copy, FileSettings(), "text", "the texts that were typed")


def distinct(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names that differ from one another and from those that are taken; a number is added."""
    used, result = {*taken}, []
    for name in names:
        choices = (name if n == 1 else f"{name}_{n}" for n in range(1, 1 << 30))
        result.append(next(choice for choice in choices if choice not in used))
        used.add(result[-1])
    return result


def _kind(value: Any) -> str:
    """Type of a value; an integer of more than 64 bits is one by itself."""
    is_long = type(value) is int and not -(1 << 63) <= value < 1 << 63
    return "long int" if is_long else type(value).__name__
