"""A user's own files as the corpus: `--data reviews.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from datamodules.reading.rows import READERS

_TEXT_FILES = "datamodules.files.TextFiles"
_CONFIGS = (".yaml", ".yml")  # of a class with its settings


def named_files(words: Iterable[str]) -> Iterator[str]:
    """Yield settings that were typed, `--data=reviews.csv` as the class that reads the file.

    Args:
        words: such as `--data=reviews.csv` and `--model.dropout=0.3`.
    """
    for word in words:
        option, _, value = word.partition("=")
        if option == "--data" and _is_file(value):
            yield f"--data={_TEXT_FILES}"
            yield f"--data.train={value}"
        else:
            yield word


def _is_file(value: str) -> bool:
    try:
        ending = Path(value).suffix.lower()
        return ending in READERS or (ending not in _CONFIGS and Path(value).is_file())
    except (OSError, ValueError):  # no name of a file: settings of a class, as JSON
        return False
