"""Files of tokenizers, which may be damaged or a stranger's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamodules.errors import DataError


@contextmanager
def reading(file: Path, kind: str = "a tokenizer file") -> Iterator[None]:
    """Say of what goes wrong in the block that the file is no tokenizer's.

    Args:
        file: the file that is read.
        kind: of the file, for the message.

    Raises:
        DataError: there is no such file, or it cannot be read or used.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file; the run or store is incomplete, make it anew")
    try:
        yield
    except Exception as error:  # the Rust side of tokenizers raises bare Exception
        raise DataError(f"{file}: not {kind} ({error}); make the run or store anew") from error
