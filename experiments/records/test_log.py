"""The log of test evaluations: a line for every look that was taken at an official test split.

A test split says something about a method only as long as nothing was chosen on it. The log is
kept with the code, so that a reader can count how often each configuration was tested.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from datamodules.upgrade.translate import current_config
from experiments.config.registry import ConfigError, read_yaml
from experiments.records.row import ResultsError, Row

LOG_FILE = "test_log.jsonl"
LOG = Path(__file__).parents[1] / "results" / LOG_FILE
_CHECKOUT = (Path(__file__).parents[2] / "pyproject.toml").is_file()
_told = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One evaluation.

    Attributes:
        time: ISO 8601 time of it.
        experiment: as in the row, and so are the others.
        git_commit: of the code that evaluated.
        git_dirty: whether that code had uncommitted changes.
        run: the run's folder, its last three names.
    """

    time: str
    experiment: str
    architecture: str
    corpus: str
    corpus_fingerprint: str | None
    protocol: str
    profile: str
    seed: int
    config_hash: str
    git_commit: str | None
    git_dirty: bool | None
    accuracy: float
    log_loss: float
    n: int
    run: str


def record(row: Row, folder: Path, time: str, code: tuple[str | None, bool | None]) -> None:
    """Appends the evaluation of a run whose corpus has an official test split.

    Where the log cannot be kept (an installed copy, a read-only disk) it says so once.

    Args:
        row: the run's row, with its test metrics.
        folder: the run's folder.
        time: when it was evaluated.
        code: commit and whether it was changed (`environment.git_state`).
    """
    if row.test is None or not is_official(folder):
        return
    values = {field.name: getattr(row, field.name, None) for field in dataclasses.fields(Entry)}
    values |= {"accuracy": row.test.accuracy, "log_loss": row.test.log_loss, "n": row.test.n}
    values |= {"time": time, "git_commit": code[0], "git_dirty": code[1]}
    values["run"] = "/".join(folder.resolve().parts[-3:])
    line = (json.dumps(values) + "\n").encode()
    try:
        if not _CHECKOUT:
            raise OSError("this is an installed copy; the log is kept in a source checkout")
        # One write at the end of the file: lines of several processes never mix.
        file = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)
    except OSError as error:
        _tell(f"the test evaluation of {folder} is not in the log of evaluations ({error})")


def read(log: Path | None = None) -> list[Entry]:
    """All entries of a log, oldest first; none where there is no log.

    Raises:
        ResultsError: a line that is no entry.
    """
    path = log or LOG
    found = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.is_file() else [], 1):
        try:
            found.append(Entry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ResultsError(
                f"{path}:{number}: no entry of the log of evaluations ({error}); restore the file "
                "from version control"
            ) from error
    return found


def holds(entries: Iterable[Entry], row: Row) -> bool:
    """Whether the test accuracy of a row stands among the entries."""
    accuracy = row.test.accuracy if row.test else None
    return any(_key(entry) == _key(row) and entry.accuracy == accuracy for entry in entries)


def lacks(row: Row, folder: Path) -> bool:
    """Whether a row has an official test figure that the log, kept here, does not hold."""
    return _CHECKOUT and row.test is not None and is_official(folder) and not holds(read(), row)


def check(row: Row, folder: Path) -> None:
    """Lets nothing be published that was not logged.

    Raises:
        ResultsError: the run's test figure is on an official split and not in the log.
    """
    if is_official(folder) and not holds(read(), row):
        raise ResultsError(
            f"{folder}: its test accuracy ({row.test and row.test.accuracy}) is not in {LOG}; run "
            f"`lit-sentiment test {folder}`, which evaluates and logs it, or add the line from the "
            "checkout in which it was tested"
        )


def describe_looks(rows: list[Row], entries: list[Entry]) -> str:
    """How often the configurations behind some rows were tested, in words; empty without a log."""
    if not entries:
        return ""
    counts = Counter(map(_key, entries))
    often = [(row, counts[_key(row)]) for row in rows if row.test is not None]
    parts = [
        f"{row.experiment}, seed {row.seed}: " + (f"{count} times" if count else "not logged")
        for row, count in often
        if count != 1
    ]
    rest = "each configuration and seed" if not parts else "every other configuration and seed"
    return "; ".join([*parts, *([f"{rest} once"] if len(parts) < len(often) else [])])


def is_official(folder: Path) -> bool:
    """Whether the corpus of a run has an official test split, as its datamodule says.

    Raises:
        ResultsError: the run has no readable config, or names a datamodule out of reach.
    """
    try:
        config = current_config(read_yaml(folder / "config.yaml"))
        class_path = config["data"]["class_path"]
        module, _, name = class_path.rpartition(".")
        return bool(getattr(importlib.import_module(module), name).official_test)
    except (ConfigError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise ResultsError(
            f"{folder / 'config.yaml'}: does not say what the run was tested on ({error}); fit it "
            "again, or name its datamodule's folder with --configs DIR"
        ) from error


def _key(one: Entry | Row) -> tuple:
    return (one.config_hash, one.corpus_fingerprint, one.seed)


def _tell(message: str) -> None:
    global _told
    if not _told:
        print(f"note: {message}", file=sys.stderr)
    _told = True
