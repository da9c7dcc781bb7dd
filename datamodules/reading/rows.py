"""Columns and rows of CSV, TSV, JSONL and Parquet files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datamodules.errors import DataError

FIELD_LIMIT = 1 << 27
"""Longest CSV field in characters; the csv module's default, 131,072, is less than a long text."""

Row = tuple[int, Mapping[str, Any]]
"""Row number and fields by column. The number is the line where the row starts, in CSV, TSV and
JSONL; counted from 1 in Parquet."""


def where(path: Path, row: int) -> str:
    """Name of a row in messages."""
    return f"{path}, {'row' if path.suffix.lower() == '.parquet' else 'line'} {row}"


def undecodable(path: Path, error: UnicodeDecodeError) -> DataError:
    """Error with the line and byte of the first sequence that is not UTF-8."""
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as inner:
                return DataError(
                    f"{path}, line {number}: byte {position + inner.start:,} of the file "
                    f"(0x{line[inner.start]:02x}) is not UTF-8; save the file as UTF-8"
                )
            position += len(line)
    return DataError(f"{path}: is not UTF-8 ({error}); save the file as UTF-8")


# CSV and TSV


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields (first line, fields) of each record, the header first, without blank lines."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            start = reader.line_num + 1
            try:
                with _long_fields():  # for one record only: the limit is that of the process
                    record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise DataError(
                    f"{where(path, start)}: malformed ({error}); put a field with a quotation "
                    "mark, a line break or the delimiter in quotation marks, and double those "
                    "within"
                ) from error
            if delimiter == "\t" and reader.line_num > start and any("\t" in x for x in record):
                raise DataError(
                    f"{where(path, start)}: a quoted field runs to line {reader.line_num} over "
                    "tabs, probably from a quotation mark left open. Put fields that begin with a "
                    "quotation mark in quotation marks, and double those within"
                )
            if record:
                yield start, record


def _csv_columns(path: Path) -> list[str]:
    return next(_records(path), (0, list[str]()))[1]


def _csv_rows(path: Path, wanted: list[str]) -> Iterator[Row]:
    records = _records(path)
    columns = next(records)[1]
    places = {name: columns.index(name) for name in wanted}
    for number, record in records:
        if len(record) != len(columns):
            raise DataError(
                f"{where(path, number)}: {len(record)} fields, but the header has {len(columns)} "
                f"columns {columns}; put fields with the delimiter in quotation marks"
            )
        yield number, {name: record[place] for name, place in places.items()}


# JSON lines


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                if "\\ud" in line.lower():  # half a surrogate pair is valid JSON, but no text
                    json.dumps(value, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"{where(path, number)}: is not JSON ({error}); each line must be one object, "
                    'such as {"text": "…", "label": "…"}'
                ) from error
            if not isinstance(value, dict):
                raise DataError(
                    f"{where(path, number)}: is a {type(value).__name__}, must be an object, "
                    'such as {"text": "…", "label": "…"}'
                )
            yield number, value


def _json_columns(path: Path) -> list[str]:
    return list(next(_objects(path), (0, dict[str, Any]()))[1])


def _json_rows(path: Path, wanted: list[str]) -> Iterator[Row]:
    for number, fields in _objects(path):
        for name in wanted:
            if name not in fields:
                raise DataError(
                    f"{where(path, number)}: has no {name!r}, but {list(fields)}; give every line "
                    "the same keys"
                )
        yield number, fields


# Parquet


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: no Parquet file, or a damaged one ({error}); write it again"
        ) from error


def _parquet_columns(path: Path) -> list[str]:
    with _parquet(path) as file:
        return list(file.schema_arrow.names)


def _parquet_rows(path: Path, wanted: list[str]) -> Iterator[Row]:
    number = 0
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=4096, columns=wanted):
            for fields in batch.to_pylist():
                number += 1
                yield number, fields


READERS = {
    ".csv": (_csv_columns, _csv_rows),
    ".tsv": (_csv_columns, _csv_rows),
    ".jsonl": (_json_columns, _json_rows),
    ".ndjson": (_json_columns, _json_rows),
    ".parquet": (_parquet_columns, _parquet_rows),
}
"""Functions `columns(path)` (empty for an empty file) and `rows(path, wanted)`, by ending."""
