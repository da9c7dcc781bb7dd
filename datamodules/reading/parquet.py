"""Rows of Parquet files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datamodules.errors import DataError
from datamodules.reading.opening import SourceFile, inner_name


def columns(file: SourceFile) -> list[str]:
    """Names of the columns."""
    with _opened(file) as parquet:
        return list(parquet.schema_arrow.names)


def rows(file: SourceFile, wanted: list[str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yields the number of a row, from 1, and its values of the wanted columns."""
    number = 0
    for batch in batches(file, wanted):
        values = batch.to_pydict()
        for fields in zip(*(values[name] for name in wanted), strict=True):
            number += 1
            yield number, fields


def batches(file: SourceFile, wanted: list[str] | None = None, size: int = 4096) -> Iterator[Any]:
    """Yields `pyarrow.RecordBatch`es of at most `size` rows, of all columns if none are named."""
    with _opened(file) as parquet:
        yield from parquet.iter_batches(batch_size=size, columns=wanted)


def shape(file: SourceFile) -> tuple[Any, int]:
    """`pyarrow.Schema` and number of rows, without reading them."""
    with _opened(file) as parquet:
        return parquet.schema_arrow, parquet.metadata.num_rows


@contextmanager
def _opened(file: SourceFile) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    source: Any = file.path
    if inner_name(file.path) != file.path:
        with file.binary() as stream:
            source = io.BytesIO(stream.read())
    try:
        with pyarrow.parquet.ParquetFile(source) as parquet:
            yield parquet
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{file.path}: no Parquet file, or a damaged one ({error}); write it again"
        ) from error
