"""Finished runs of other settings: kept beside the new run, and used again when they fit.

runs/<benchmark>/<experiment>/seed-<n>/                  the run of the present settings
runs/<benchmark>/<experiment>/earlier/seed-<n>-<hash>/   one of earlier settings or corpus
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from experiments.records.row import ResultsError, Row
from experiments.records.run_files import EARLIER, ROW_FILE, read_row
from experiments.training.folds import is_interrupted


def set_aside(folder: Path) -> Path:
    """Move a run with a row out of the way, under the hash of its settings; returns its place."""
    try:
        name = f"{folder.name}-{read_row(folder).settings_hash}"
    except ResultsError:
        name = f"{folder.name}-damaged"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    place = next(p for n in names if not (p := folder.parent / EARLIER / n).exists())
    place.parent.mkdir(exist_ok=True)
    folder.rename(place)
    return place


def take_back(folder: Path, fits: Callable[[Row], bool]) -> bool:
    """Move the newest finished run that fits back into its place. Hold the folder's lock.

    A run with a row that is there now is set aside in turn. An interrupted run stays, and nothing
    is taken back.

    Args:
        folder: place of the run.
        fits: whether a row is of the wanted settings and corpus.

    Returns:
        Whether there was one.
    """
    rows = {}
    for place in (folder.parent / EARLIER).glob(f"{folder.name}-*/"):
        try:
            row = read_row(place)
        except ResultsError as error:
            print(f"note: a run that was set aside is left out: {error}", file=sys.stderr)
            continue
        if row.status == "ok" and fits(row):
            rows[place] = row
    if not rows:
        return False
    newest = max(rows, key=lambda place: rows[place].ended)
    if (folder / ROW_FILE).exists():
        set_aside(folder)
    elif is_interrupted(folder):
        print(
            f"note: {newest} has the wanted settings; it is not taken back, since {folder} holds "
            "an interrupted run",
            file=sys.stderr,
        )
        return False
    elif folder.exists():
        shutil.rmtree(folder)
    newest.rename(folder)
    return True
