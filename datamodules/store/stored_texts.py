"""Texts on disk that are read a few thousand at a time, so that a corpus may exceed the memory."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, overload

import pyarrow as pa
import pyarrow.parquet as pq

from datamodules.errors import DataError
from datamodules.faults import fault_point
from datamodules.store.cache import unwritable

GROUP_ROWS = 4096
GROUP_CHARACTERS = 1 << 24
"""Most rows of a row group, and the number of characters at which it ends: what is in memory."""


class RowWriter:
    """Writer of a Parquet file in small row groups.

    Args:
        file: path, or open file of bytes.
        schema: names and types of the columns; the first one has the texts.
    """

    def __init__(self, file: Path | IO[bytes], schema: pa.Schema) -> None:
        options = {"compression": "zstd", "write_page_checksum": True}
        self._schema, self._writer = schema, pq.ParquetWriter(file, schema, **options)
        self._rows: list[tuple[Any, ...]] = []
        self._characters = 0

    def append(self, *values: Any) -> None:
        """Add a row."""
        self._rows.append(values)
        self._characters += len(values[0])
        if len(self._rows) == GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        fault_point("rows")
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(values, field.type)
            for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows, self._characters = [], 0


class StoredTexts(Sequence[str]):
    """Column of strings in Parquet files, one row group of which is in memory at a time.

    A row of another group than the one asked for before costs reading that group.

    Args:
        column: name of the column.
        *files: paths, or open files of bytes, whose rows follow one another.
    """

    def __init__(self, column: str, *files: Path | IO[bytes]) -> None:
        self.column, self.files = column, files
        self._metadata = [self._opened(file).metadata for file in files]
        self._groups = [
            (number, group)
            for number, metadata in enumerate(self._metadata)
            for group in range(metadata.num_row_groups)
        ]
        self._starts = [0]  # of the groups, and the end of the last one
        for number, group in self._groups:
            rows = self._metadata[number].row_group(group).num_rows
            self._starts.append(self._starts[-1] + rows)
        self._held: tuple[int, list[str]] = -1, []

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(map(self._read, range(len(self._groups))))

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        number = range(len(self))[row]
        group = bisect_right(self._starts, number) - 1
        if group != self._held[0]:
            self._held = group, self._read(group)
        return self._held[1][number - self._starts[group]]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | StoredTexts):
            return NotImplemented
        return len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: StoredTexts) -> StoredTexts:
        return StoredTexts(self.column, *self.files, *other.files)

    def _read(self, group: int) -> list[str]:
        number, place = self._groups[group]
        file = self.files[number]
        try:
            parquet = self._opened(file, self._metadata[number])
            table = parquet.read_row_group(place, columns=[self.column])
            texts: list[str] = table[self.column].to_pylist()
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise damaged(Path(str(getattr(file, "parent", file))), str(error)) from error
        return texts

    def _opened(self, file: Path | IO[bytes], metadata: Any = None) -> pq.ParquetFile:
        return pq.ParquetFile(file, metadata=metadata, page_checksum_verification=True)


def damaged(folder: Path, why: str) -> DataError:
    """Error that a cached corpus cannot be read."""
    return DataError(
        f"{folder}: the cached corpus is damaged ({why}); delete the folder and run again, which "
        "reads it anew from its source"
    )


class TextSpool:
    """Columns of strings on their way to `StoredTexts`.

    They are written to a temporary file without a name: nothing is left of it once nobody reads it,
    also if the process is killed.

    Args:
        folder: folder on a disk with room for it.
        *columns: names of the columns; the first one has the texts.

    Raises:
        DataError: the disk is full or not writable.
    """

    def __init__(self, folder: Path, *columns: str) -> None:
        self._folder, self._columns = folder, columns
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
            self._writer = RowWriter(self._file, pa.schema([(c, pa.string()) for c in columns]))
        except OSError as error:
            raise unwritable(folder, error) from error

    def append(self, *values: str) -> None:
        """Add a row."""
        try:
            self._writer.append(*values)
        except OSError as error:
            raise unwritable(self._folder, error) from error

    def finish(self) -> list[StoredTexts]:
        """The columns, when all rows have been added."""
        try:
            self._writer.close()
            self._file.flush()  # the last bytes are in Python's buffer: here a full disk is named
        except OSError as error:
            raise unwritable(self._folder, error) from error
        return [StoredTexts(column, self._file) for column in self._columns]
