"""What a benchmark set out to run and has no row of yet: it was stopped, killed, or goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.records.plan import read_plan
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE

# Left by a run that can go on: the checkpoint of its fit, or the choice of a first fit under refit.
_RESUMABLE = ("resume.ckpt", "choice.json")


@dataclass(frozen=True)
class MissingRun:
    """One run without a row.

    Attributes:
        experiment: Its name.
        seed: Its seed.
        state: What there is of it, in words.
    """

    experiment: str
    seed: int
    state: str


def missing_runs(folder: Path, rows: list[Row]) -> list[MissingRun]:
    """Runs of the plan, and run folders that were begun, without a row.

    Args:
        folder: a benchmark folder; any other has none.
        rows: its rows.

    Raises:
        ResultsError: a plan that cannot be read.
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


def _state(run: Path) -> str:
    if not run.exists():
        return "not started"
    if any((run / name).exists() for name in _RESUMABLE):
        return "stopped or under way, with a checkpoint that the same command goes on from"
    return "started, no checkpoint yet: under way, or killed"
