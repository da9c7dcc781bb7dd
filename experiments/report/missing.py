"""Runs of a benchmark without a row: not started yet, under way, stopped or killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.records.plan import read_plan
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE

# Files of a run that can be resumed: the checkpoint of its fit, or the choice of the first fit
# under refit.
_RESUMABLE = ("resume.ckpt", "choice.json")


@dataclass(frozen=True)
class MissingRun:
    """Run without a row.

    Attributes:
        experiment: Name of the experiment.
        seed: Random seed.
        state: State of the run in words.
    """

    experiment: str
    seed: int
    state: str


def missing_runs(folder: Path, rows: list[Row]) -> list[MissingRun]:
    """List runs without a row: those of the plan, and those with a run folder.

    Args:
        folder: A benchmark folder; other folders have no missing runs.
        rows: Its rows.

    Raises:
        ResultsError: The plan cannot be read.
    """
    if folder.is_file():
        return []
    done = {(row.experiment, row.seed) for row in rows}
    runs = [(run.experiment, run.seed) for run in read_plan(folder)]
    for begun in sorted(folder.glob("*/seed-*")):
        number = begun.name.removeprefix("seed-")
        if number.isdecimal() and not (begun / ROW_FILE).exists():
            runs.append((begun.parent.name, int(number)))
    return [
        MissingRun(name, seed, _state(folder / name / f"seed-{seed}"))
        for name, seed in dict.fromkeys(runs)
        if (name, seed) not in done
    ]


def count_in_words(missing: Sequence[MissingRun]) -> str:
    """Number of missing runs, as the head of their list."""
    return f"{len(missing)} run{'s are' if len(missing) > 1 else ' is'} missing:"


def _state(run: Path) -> str:
    if not run.exists():
        return "not started"
    if any((run / name).exists() for name in _RESUMABLE):
        return "stopped or under way; the same command resumes it from its checkpoint"
    return "under way or killed; no checkpoint yet"
