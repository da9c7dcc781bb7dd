"""A user's own files as the corpus: `--data reviews.csv`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datamodules.reading.opening import inner_name
from datamodules.reading.tables import READERS

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


def make_paths_absolute(data: dict[str, Any]) -> None:
    """Make the names of files in the settings of a corpus independent of the current folder."""
    module, _, name = str(data.get("class_path")).rpartition(".")
    corpus, arguments = getattr(sys.modules.get(module), name, None), data.get("init_args") or {}
    for key in getattr(corpus, "paths", ()):
        if arguments.get(key):
            arguments[key] = os.path.abspath(os.path.expanduser(arguments[key]))


def _is_file(value: str) -> bool:
    try:
        ending = inner_name(Path(value)).suffix.lower()
        return ending in READERS or (ending not in _CONFIGS and Path(value).is_file())
    except (OSError, ValueError):  # no name of a file: settings of a class, as JSON
        return False
