"""Logs that are kept with the code: a line for each event, appended by any process.

`test_log` has the evaluations on official test splits, `tuning_log` the settings that were tried on
validation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from datamodules.console import say_once
from datamodules.trusted import import_trusted
from datamodules.upgrade.translate import current_config
from experiments.config.registry import ConfigError, read_yaml
from experiments.records.row import ResultsError

RESULTS = Path(__file__).parents[1] / "results"
TEST_LOG, TUNING_LOG = LOG_FILES = ("test_log.jsonl", "tuning_log.jsonl")
CHECKOUT = (Path(__file__).parents[2] / "pyproject.toml").is_file()

Entry = TypeVar("Entry")


def append(log: Path, values: dict[str, Any], event: str) -> None:
    """Append a line to a log.

    If it cannot be written (an installed copy, a read-only disk), a note is printed once.

    Args:
        log: The file.
        values: What the line holds.
        event: What is logged, in the plural, for the note.
    """
    line = (json.dumps(values) + "\n").encode()
    try:
        if not CHECKOUT:
            raise OSError("this is an installed copy; the log is kept in a source checkout")
        # A single append, so that lines of several processes never mix.
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)
    except OSError as error:
        say_once(f"{event} are not added to {log.name} ({error})")


def read_entries(log: Path, make: Callable[[dict[str, Any]], Entry]) -> list[Entry]:
    """Read all entries of a log, oldest first; none if there is no log.

    Args:
        log: The file.
        make: Makes an entry of the values in a line.

    Raises:
        ResultsError: A line is not an entry.
    """
    entries = []
    for number, line in enumerate(log.read_bytes().splitlines() if log.is_file() else [], 1):
        try:
            entries.append(make(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ResultsError(
                f"{log}:{number}: not an entry of this log ({error}); restore the file from "
                "version control"
            ) from error
    return entries


def is_official(folder: Path) -> bool:
    """Check whether the datamodule of a run declares an official test split.

    Raises:
        ResultsError: The run has no readable config, or its datamodule cannot be imported.
        Untrusted: Its datamodule is not one of a trusted place.
    """
    try:
        config = current_config(read_yaml(folder / "config.yaml"))
        data: Any = import_trusted(config["data"]["class_path"])
        return bool(data.official_test)
    except (ConfigError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise ResultsError(
            f"{folder / 'config.yaml'}: does not name a usable datamodule ({error}); fit the run "
            "again, or give the folder of its datamodule with --configs DIR"
        ) from error


def run_of(folder: Path) -> str:
    """Name of a run in a log: the last three parts of the path of its folder."""
    return "/".join(folder.resolve().parts[-3:])
