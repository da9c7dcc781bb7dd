"""What a benchmark set out to run, kept beside it, so that a half-finished one can say what lacks.

`plan.json` has an entry for each run that any start of this benchmark asked for, with the words of
the command line that it was asked with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.records.atomic import replace_bytes
from experiments.records.row import ResultsError

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class PlannedRun:
    """One run that was asked for.

    Attributes:
        experiment: Its name.
        seed: Its seed.
        overrides: Settings given on the command line.
        configs: Folders given with `--configs`.
    """

    experiment: str
    seed: int
    overrides: tuple[str, ...]
    configs: tuple[str, ...]


def add_to_plan(folder: Path, planned: Iterable[PlannedRun]) -> None:
    """Adds runs to a benchmark's plan; those that are in it already are as asked for last.

    Raises:
        ResultsError: the plan that is there cannot be read.
        OSError: As raised by the file system.
    """
    runs = {(run.experiment, run.seed): run for run in read_plan(folder)}
    for run in planned:
        runs[run.experiment, run.seed] = run
    content = {"runs": [asdict(run) for run in runs.values()]}
    replace_bytes(folder / PLAN_FILE, (json.dumps(content, indent=1) + "\n").encode())


def read_plan(folder: Path) -> list[PlannedRun]:
    """The plan of a benchmark folder; empty where none is kept.

    Raises:
        ResultsError: the file is no plan.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        return []
    try:
        return [
            PlannedRun(
                str(run["experiment"]),
                int(run["seed"]),
                tuple(map(str, run["overrides"])),
                tuple(map(str, run["configs"])),
            )
            for run in json.loads(path.read_bytes())["runs"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path}: no plan of a benchmark ({error}); delete it, and the benchmark writes it anew"
        ) from error
