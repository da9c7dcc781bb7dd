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
    with _opened(file) as parquet:
        for batch in parquet.iter_batches(batch_size=4096, columns=wanted):
            values = batch.to_pydict()
            for fields in zip(*(values[name] for name in wanted), strict=True):
                number += 1
                yield number, fields


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
