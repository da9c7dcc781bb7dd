"""Log of test evaluations: a line for each evaluation on an official test split.

Test figures are unbiased only as long as nothing was chosen on the test split. The log is kept with
the code, so that a reader can count how often each configuration was tested.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.trusted import import_trusted
from datamodules.upgrade.translate import current_config
from experiments.config.registry import ConfigError, read_yaml
from experiments.records.metrics import Metrics
from experiments.records.row import ResultsError, Row

LOG_FILE = "test_log.jsonl"
LOG = Path(__file__).parents[1] / "results" / LOG_FILE
_CHECKOUT = (Path(__file__).parents[2] / "pyproject.toml").is_file()
_noted = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Logged evaluation.

    Attributes:
        time: ISO 8601 time of the evaluation.
        experiment: As in the row, like all attributes that are not listed here.
        git_commit: Commit of the code that evaluated.
        git_dirty: Whether that code had uncommitted changes.
        run: Last three parts of the path of the run folder.
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


def record_evaluation(
    row: Row, folder: Path, time: str, code: tuple[str | None, bool | None]
) -> None:
    """Append each evaluation of a run, one a protocol, if its corpus has an official test split.

    If the log cannot be written (an installed copy, a read-only disk), a note is printed once.

    Args:
        row: Row of the run, with its test metrics.
        folder: The run folder.
        time: ISO 8601 time of the evaluation.
        code: Commit and whether it had uncommitted changes (`environment.git_state`).
    """
    if not row.tested or not is_official(folder):
        return
    values = {field.name: getattr(row, field.name, None) for field in dataclasses.fields(Entry)}
    values |= {"time": time, "git_commit": code[0], "git_dirty": code[1]}
    values["run"] = "/".join(folder.resolve().parts[-3:])
    lines = ""
    for protocol, metrics in _tested(row).items():
        scores = {name: getattr(metrics, name) for name in ("accuracy", "log_loss", "n")}
        lines += json.dumps(values | scores | {"protocol": protocol}) + "\n"
    try:
        if not _CHECKOUT:
            raise OSError("this is an installed copy; the log is kept in a source checkout")
        # A single append, so that lines of several processes never mix.
        file = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, lines.encode())
        finally:
            os.close(file)
    except OSError as error:
        _note_once(f"the test evaluation of {folder} is not in the log of evaluations ({error})")


def read(log: Path | None = None) -> list[Entry]:
    """Read all entries of a log, oldest first; none if there is no log.

    Raises:
        ResultsError: A line is not an entry.
    """
    path = log or LOG
    entries = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.is_file() else [], 1):
        try:
            entries.append(Entry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ResultsError(
                f"{path}:{number}: not an entry of the log of evaluations ({error}); restore the "
                "file from version control"
            ) from error
    return entries


def is_logged(entries: Iterable[Entry], row: Row) -> bool:
    """Check whether every test accuracy of a row is in the log."""
    logged = {(e.protocol, e.accuracy) for e in entries if _key(e) == _key(row)}
    return {(protocol, m.accuracy) for protocol, m in _tested(row).items()} <= logged


def is_missing(row: Row, folder: Path) -> bool:
    """Check whether the log of this checkout lacks an official test accuracy of a row."""
    return _CHECKOUT and row.tested and is_official(folder) and not is_logged(read(), row)


def check_logged(row: Row, folder: Path) -> None:
    """Refuse a run whose evaluation on an official test split is not in the log.

    Raises:
        ResultsError: The test accuracy is not in the log.
    """
    if is_official(folder) and not is_logged(read(), row):
        raise ResultsError(
            f"{folder}: its test accuracy "
            f"({', '.join(str(m.accuracy) for m in _tested(row).values())}) is not in {LOG}; run "
            f"`lit-sentiment test {folder}`, which evaluates and logs it, or add the line from the "
            "checkout in which it was tested"
        )


def describe_counts(rows: list[Row], entries: list[Entry]) -> str:
    """Describe how often the configurations of rows were tested; empty without a log."""
    if not entries:
        return ""
    counts = Counter(map(_key, entries))
    often = [(row, counts[_key(row)]) for row in rows if row.tested]
    parts = [
        f"{row.experiment}, seed {row.seed}: " + (f"{count} times" if count else "not logged")
        for row, count in often
        if count != 1
    ]
    rest = "each configuration and seed" if not parts else "every other configuration and seed"
    return "; ".join([*parts, *([f"{rest} once"] if len(parts) < len(often) else [])])


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


def _tested(row: Row) -> dict[str, Metrics]:
    """Metrics of the test part by the protocol of the weights."""
    metrics = {"holdout": row.test, "refit": row.test_refit}
    return {protocol: value for protocol, value in metrics.items() if value is not None}


def _key(one: Entry | Row) -> tuple:
    return (one.config_hash, one.corpus_fingerprint, one.seed)


def _note_once(message: str) -> None:
    global _noted
    if not _noted:
        print(f"note: {message}", file=sys.stderr)
    _noted = True
