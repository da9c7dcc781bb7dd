"""Finished runs and log lines of a clone of this repository, for `publish`.

`make table` makes the published runs in a folder with this layout:

    <place>/clone/                        a clean clone of one commit
    <place>/runs/<benchmark>/             its runs
    <place>/cache/, <place>/.venv/        its cache and its environment
"""

from __future__ import annotations

import os
from pathlib import Path

from experiments.records.row import ResultsError
from experiments.records.run_files import ROW_FILE, key_of, read_row, read_table


def results_of(place: Path) -> Path:
    """Folder of the results in the clone.

    Raises:
        ResultsError: There is no clone.
    """
    folder = place / "clone" / "experiments" / "results"
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder; name one that `make table` has made")
    return folder


def add_lines(source: Path, log: Path) -> int:
    """Append the lines of a log that another copy of it lacks.

    Args:
        source: The log of the clone.
        log: The copy that grows.

    Returns:
        The number of new lines.
    """
    known = set(log.read_bytes().splitlines()) if log.is_file() else set()
    lines = source.read_bytes().splitlines() if source.is_file() else []
    new = [line + b"\n" for line in lines if line not in known]
    if new:
        # A single append, so that lines of several processes never mix.
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, b"".join(new))
        finally:
            os.close(file)
    return len(new)


def finished(runs: Path, table: Path) -> list[Path]:
    """List the finished runs of a benchmark that the published table does not have.

    Failed runs are left out, and so are those whose published row is as new or newer.

    Args:
        runs: Folder of the benchmark.
        table: The published table; it need not exist.
    """
    rows = read_table(table) if table.is_file() else []
    ended = {key_of(row): row.ended for row in rows}
    folders = [file.parent for file in sorted(runs.glob(f"*/seed-*/{ROW_FILE}"))]
    found = [(folder, read_row(folder)) for folder in folders]
    return [
        folder
        for folder, row in found
        if row.status == "ok" and row.tested and row.ended > ended.get(key_of(row), "")
    ]
