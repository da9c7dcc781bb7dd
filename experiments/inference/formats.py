"""Predictions as CSV, JSON lines, Parquet, or a table to read."""

from __future__ import annotations

import csv
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.console import clipped, visible
from experiments.inference.text_input import Contents, Piece, distinct

Answers = Mapping[str, Sequence[Any]]
"""Values of each added column: labels, probabilities, reasons."""


class Format(ABC):
    """Format of an output, which is made of pieces.

    Args:
        contents: The input.
        text_column: Its column of texts.
        added: Names of the added columns and the types of their values: `str`, `float`, or `list`
            of names.
    """

    def __init__(self, contents: Contents, text_column: str, added: Mapping[str, type]) -> None:
        self.contents, self.text_column, self.added = contents, text_column, added

    @abstractmethod
    def encode(self, piece: Piece, answers: Answers) -> bytes:
        """Encode a piece of the input with its predictions."""

    def start(self) -> bytes:
        """Encode what comes before the first piece."""
        return b""

    def join(self, parts: Sequence[Path], target: Path) -> None:
        """Write one file of encoded pieces."""
        with target.open("wb") as stream:
            stream.write(self.start())
            for part in parts:
                stream.write(part.read_bytes())


class Csv(Format):
    """CSV in UTF-8; lists and objects of JSON are written as JSON, what is missing is empty."""

    def start(self) -> bytes:
        return _csv_lines([[*self.contents.columns, *self.added]])

    def encode(self, piece: Piece, answers: Answers) -> bytes:
        names = self.contents.columns
        rows = [[_cell(record.get(name)) for name in names] for record in piece.records]
        for row, values in zip(rows, zip(*answers.values(), strict=True), strict=True):
            row += [_cell(_joined(value)) for value in values]
        return _csv_lines(rows)


class JsonLines(Format):
    """An object on each line, in UTF-8; a row of JSON keeps the keys that it has."""

    def encode(self, piece: Piece, answers: Answers) -> bytes:
        lines = []
        for record, values in zip(piece.records, zip(*answers.values(), strict=True), strict=True):
            whole = {**record, **dict(zip(answers, values, strict=True))}
            lines.append(json.dumps(_plain(whole), ensure_ascii=False, allow_nan=False) + "\n")
        return "".join(lines).encode()


class Parquet(Format):
    """Parquet; columns of a Parquet file keep their types, others have that of their values."""

    def __init__(self, contents: Contents, text_column: str, added: Mapping[str, type]) -> None:
        super().__init__(contents, text_column, added)
        import pyarrow as pa

        types = {str: pa.string(), float: pa.float32(), list: pa.list_(pa.string())}
        ours = [pa.field(name, types[kind]) for name, kind in added.items()]
        if contents.schema is not None:
            pairs = zip(contents.schema, contents.columns, strict=True)
            given = [field.with_name(name) for field, name in pairs]
        else:
            given = [pa.field(name, _arrow_type(contents.kinds[name])) for name in contents.columns]
        metadata = None if contents.schema is None else contents.schema.metadata
        self.schema = pa.schema([*given, *ours], metadata=metadata)

    def encode(self, piece: Piece, answers: Answers) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [] if piece.batch is None else list(piece.batch.columns)
        if piece.batch is None:
            for field in list(self.schema)[: len(self.contents.columns)]:
                values = [record.get(field.name) for record in piece.records]
                if pa.types.is_string(field.type):
                    values = [None if value is None else _written(value) for value in values]
                columns.append(pa.array(values, field.type))
        columns += [pa.array(answers[name], self.schema.field(name).type) for name in self.added]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, schema=self.schema), sink)
        return sink.getvalue()

    def join(self, parts: Sequence[Path], target: Path) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(target, self.schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part, schema=self.schema))


class Table(Format):
    """Lines to read: labels, probabilities, and as much of the text as there is room for.

    Control characters and marks of direction are shown as escapes, so that no text moves the cursor
    or disguises another.

    Args:
        width: Characters in a line; None: texts are whole.
    """

    def __init__(
        self,
        contents: Contents,
        text_column: str,
        added: Mapping[str, type],
        width: int | None = None,
        longest: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(contents, text_column, added)
        self.width, self.longest = width, longest or {}

    def start(self) -> bytes:
        return self._line(dict(zip(self.added, map(visible, self.added), strict=True)), "text")

    def encode(self, piece: Piece, answers: Answers) -> bytes:
        lines = []
        for text, values in zip(piece.texts, zip(*answers.values(), strict=True), strict=True):
            row = {name: _short(value) for name, value in zip(answers, values, strict=True)}
            lines.append(self._line(row, "" if text is None else visible(_written(text))))
        return b"".join(lines)

    def _line(self, row: Mapping[str, str], text: str) -> bytes:
        fields = []
        for name, kind in self.added.items():
            size = max(len(visible(name)), self.longest.get(name, 6))
            fields.append(row[name].rjust(size) if kind is float else row[name].ljust(size))
        line = "  ".join([*fields, text])
        line = line if self.width is None else clipped(line, self.width)
        return (line.rstrip() + "\n").encode()


def free_names(contents: Contents, added: Mapping[str, type]) -> tuple[dict[str, type], list[str]]:
    """Names of added columns that the input does not have, and sentences on those that changed."""
    names = distinct(list(added), contents.columns)
    notes = [
        f"the input has a column {before!r}; that of the prediction is called {after!r}"
        for before, after in zip(added, names, strict=True)
        if before != after
    ]
    return dict(zip(names, added.values(), strict=True)), notes


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    return "" if value is None or value != value else _written(value)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | list | dict):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def _joined(value: Any) -> Any:
    """Names of several labels as one text, which `--data.label_separator '|'` reads."""
    if not isinstance(value, tuple):
        return value
    return json.dumps(value) if any("|" in name for name in value) else "|".join(value)


def _short(value: Any) -> str:
    value = _joined(value)
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else visible(value)


def _plain(value: Any) -> Any:
    """Value as JSON can have it: no NaN, and dates, decimals and bytes as texts."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _arrow_type(kinds: set[str]) -> Any:
    """Type of a column by those of its values; a text, as in JSON, where no other fits all."""
    import pyarrow as pa

    kinds = kinds - {"NoneType"}
    if kinds == {"bool"}:
        return pa.bool_()
    if kinds == {"int"}:
        return pa.int64()
    if kinds and kinds <= {"int", "float"}:
        return pa.float64()
    return pa.string()
