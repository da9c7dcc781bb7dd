"""Rows of CSV and TSV files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import StringIO
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, NamedTuple

from datamodules.errors import DataError
from datamodules.reading.opening import FileSettings, SourceFile

FIELD_LIMIT = 1 << 27
"""Longest CSV field in characters; the csv module's default, 131,072, is less than a long text."""

_DELIMITERS = ",\t;|"
_SAMPLE = 1 << 16  # characters by which the delimiter is guessed
_BATCH = 512  # records read at once
_NAMES = {"\t": "a tab"}
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's own


class Dialect(NamedTuple):
    """Dialect of a file of delimited lines.

    Attributes:
        delimiter: character between two fields.
        quoted: fields may be in quotation marks. False: a quotation mark is part of the text.
        skipped: lines before the first record, such as Excel's `sep=;`.
        remarks: sentences on what was guessed.
    """

    delimiter: str
    quoted: bool = True
    skipped: int = 0
    remarks: tuple[str, ...] = ()


def dialect_of(file: SourceFile) -> Dialect:
    """Dialect of a file, guessed where its settings do not say it.

    Raises:
        DataError: the file is unreadable.
    """
    status = file.path.stat()
    return _dialect_of(file.path, file.settings, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _dialect_of(path: Path, settings: FileSettings, size: int, mtime_ns: int) -> Dialect:
    file = SourceFile(path, settings)
    with file.text() as text:
        sample = text.read(_SAMPLE)
    line, remarks = _SEPARATOR_LINE.match(sample), list[str]()
    skipped = 1 if line else 0
    if settings.delimiter is not None:
        delimiter = settings.delimiter
    elif line:
        delimiter = line[1]
    elif file.ending == ".tsv":
        delimiter = "\t"
    else:
        whole = len(sample) < _SAMPLE
        fitting = [mark for mark in _DELIMITERS if _fits(sample, mark, whole)]
        delimiter = fitting[0] if fitting else ","
        if delimiter != ",":
            name = _NAMES.get(delimiter, repr(delimiter))
            remarks.append(
                f"{path.name}: fields are divided by {name} (--data.delimiter sets another)."
            )
    quoted = delimiter != "\t" or _is_quoted(file, skipped)
    if not quoted:
        remarks.append(f"{path.name}: quotation marks are read as part of the texts.")
    return Dialect(delimiter, quoted, skipped, tuple(remarks))


def columns(file: SourceFile) -> list[str]:
    """Names of the columns; empty for an empty file."""
    first = next(_records(file, dialect_of(file)), (0, list[str]()))[1]
    return first if file.settings.header else [str(number + 1) for number in range(len(first))]


def rows(file: SourceFile, wanted: list[str] | None) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yields the number of the line where a row starts, and its fields of the wanted columns.

    None wants all, in the file's order.
    """
    names, records = columns(file), _records(file, dialect_of(file))
    if file.settings.header:
        next(records)
    places = range(len(names)) if wanted is None else [names.index(name) for name in wanted]
    pick = itemgetter(*places) if len(places) > 1 else lambda record: (record[places[0]],)
    count = len(names)
    for number, record in records:
        if len(record) != count:
            there = f"the header has {count} columns {names}"
            if not file.settings.header:
                there = f"the first line has {count}"
            raise DataError(
                f"{file.where(number)}: {len(record)} fields, but {there}; put fields with the "
                "delimiter in quotation marks"
            )
        yield number, pick(record)


def _records(file: SourceFile, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yields (first line, fields) of each record, the header first, without blank lines."""
    with file.text() as text:
        for _ in range(dialect.skipped):
            text.readline()
        yield from _parsed(file, text, dialect)


def _parsed(file: SourceFile, text: IO[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    delimiter, before = dialect.delimiter, dialect.skipped
    reader = csv.reader(
        text,
        delimiter=delimiter,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
    )
    start, error, ended = 0, None, False
    while not ended:
        batch = []
        with _long_fields():  # for one batch only: the limit is that of the process
            try:
                for _ in range(_BATCH):
                    start = reader.line_num
                    record = next(reader)
                    if record:
                        batch.append((start + 1 + before, record))
                    if reader.line_num > start + 1 and delimiter == "\t":
                        _check_tabs(file, start + 1 + before, reader.line_num + before, record)
            except StopIteration:
                ended = True
            except (csv.Error, DataError, UnicodeError) as caught:
                error, ended = caught, True
        yield from batch
    if isinstance(error, csv.Error):
        raise DataError(
            f"{file.where(start + 1 + before)}: malformed ({error}); put a field with a quotation "
            "mark, a line break or the delimiter in quotation marks, and double those within"
        ) from error
    if error is not None:
        raise error


def _check_tabs(file: SourceFile, first: int, last: int, record: list[str]) -> None:
    if any("\t" in field for field in record):
        raise DataError(
            f"{file.where(first)}: a quoted field runs to line {last} over tabs, probably from a "
            "quotation mark left open. Put fields that begin with a quotation mark in quotation "
            "marks, and double those within"
        )


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _fits(sample: str, delimiter: str, whole: bool) -> bool:
    """Whether a delimiter divides the first rows alike, into two fields or more."""
    records = []
    with suppress(csv.Error), _long_fields():
        records = list(islice(csv.reader(StringIO(sample, newline=""), delimiter=delimiter), 50))
    if not whole and len(records) < 50:
        records = records[:-1]  # its end is missing
    lengths = {len(record) for record in records if record}
    return len(lengths) == 1 and min(lengths) > 1


def _is_quoted(file: SourceFile, skipped: int) -> bool:
    """Whether quotation marks at the start of a field of a TSV file enclose it.

    They do not where a reading that takes them so fails, and one that does not finds as many fields
    on each line as on the first.
    """
    with file.text() as text:
        if not any(line.startswith('"') or '\t"' in line for line in text):
            return True
    try:
        for _ in _records(file, Dialect("\t", True, skipped)):
            pass
    except DataError:
        plain = _records(file, Dialect("\t", False, skipped))
        return len({len(record) for _, record in plain}) > 1
    return True
