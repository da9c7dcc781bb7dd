"""Finished runs below a folder, for commands that were given another sort of folder."""

from __future__ import annotations

from pathlib import Path

from experiments.records.run_files import EARLIER, ROW_FILE

_PLACES = ("", "seed-*/", "*/seed-*/", "*/*/seed-*/")


def runs_below(folder: Path) -> list[Path]:
    """Runs of a folder: itself, or those of an experiment, of a benchmark or of all benchmarks."""
    for place in _PLACES:
        found = sorted(row.parent for row in folder.glob(f"{place}{ROW_FILE}"))
        if found := [run for run in found if EARLIER not in run.parts]:
            return found
    return []


def kind_of(folder: Path) -> str | None:
    """Describe a folder with runs: `a run`, or a folder of them. None: it has none."""
    runs = runs_below(folder)
    if runs == [folder]:
        return "a run"
    return f"a folder of runs, such as {runs[0]}" if runs else None
