"""Planned runs of a benchmark, from which a report on an unfinished one lists the missing runs.

`plan.json` in the benchmark folder has an entry for each run of any start of this benchmark, with
the settings from the command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.config.names import check_part
from experiments.records.atomic import replace_bytes
from experiments.records.row import ResultsError

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class PlannedRun:
    """Planned run of a benchmark.

    Attributes:
        experiment: Name of the experiment.
        seed: Random seed.
        overrides: Settings given on the command line.
        configs: Folders given with `--configs`.
    """

    experiment: str
    seed: int
    overrides: tuple[str, ...]
    configs: tuple[str, ...]


def add_to_plan(folder: Path, planned: Iterable[PlannedRun]) -> None:
    """Add runs to the plan of a benchmark; a run that is in it already is replaced.

    Raises:
        ResultsError: The existing plan cannot be read.
        OSError: As raised by the file system.
    """
    runs = {(run.experiment, run.seed): run for run in read_plan(folder)}
    for run in planned:
        runs[run.experiment, run.seed] = run
    content = {"runs": [asdict(run) for run in runs.values()]}
    replace_bytes(folder / PLAN_FILE, (json.dumps(content, indent=1) + "\n").encode())


def read_plan(folder: Path) -> list[PlannedRun]:
    """Read the plan of a benchmark folder; empty if it has none.

    Raises:
        ResultsError: The file is not a plan.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        return []
    try:
        return [
            PlannedRun(
                check_part(str(run["experiment"]), "experiment"),
                int(run["seed"]),
                tuple(map(str, run["overrides"])),
                tuple(map(str, run["configs"])),
            )
            for run in json.loads(path.read_bytes())["runs"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path}: not the plan of a benchmark ({error}); delete it and start the benchmark "
            "again"
        ) from error
