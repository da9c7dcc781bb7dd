"""Finished runs of other settings: kept beside the new run, and used again when they fit.

runs/<benchmark>/<experiment>/seed-<n>/                  the run of the present settings
runs/<benchmark>/<experiment>/earlier/seed-<n>-<hash>/   one of earlier settings or corpus
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE, read_row

EARLIER = "earlier"


def set_aside(folder: Path) -> Path:
    """Move a finished run out of the way, under the hash of its settings; returns where it is."""
    name = f"{folder.name}-{read_row(folder).settings_hash}"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    place = next(p for n in names if not (p := folder.parent / EARLIER / n).exists())
    place.parent.mkdir(exist_ok=True)
    folder.rename(place)
    return place


def take_back(folder: Path, fits: Callable[[Row], bool]) -> bool:
    """Move a run that was set aside back into its place.

    Args:
        folder: place of the run; a finished run there is set aside in turn. An unfinished one
            stays, and nothing is taken back.
        fits: whether a row is of the wanted settings and corpus.

    Returns:
        Whether there was one.
    """
    if folder.exists() and not (folder / ROW_FILE).exists():
        return False
    for earlier in sorted((folder.parent / EARLIER).glob(f"{folder.name}-*")):
        if (earlier / ROW_FILE).is_file() and fits(read_row(earlier)):
            if folder.exists():
                set_aside(folder)
            earlier.rename(folder)
            return True
    return False
