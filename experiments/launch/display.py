"""Display of a benchmark's runs: bars while they work, a line for each that has ended."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from experiments.records.run_files import collect, read_row
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.fitting import SELECTION_FILE
from experiments.training.spec import RunSpec


class ProgressDisplay:
    """Progress bars, and a line about each run that has ended.

    Args:
        folder: the benchmark's.
        total: number of runs.
        progress: the bars.
        console: for a line about each run that has ended.
    """

    def __init__(self, folder: Path, total: int, progress: Progress, console: Console) -> None:
        self.folder, self.progress, self.console = folder, progress, console
        self.whole = progress.add_task("", name=folder.name, what=f"{total} runs", total=total)
        self.tasks: dict[Path, TaskID] = {}

    def started(self, spec: RunSpec) -> None:
        name = _name(spec)
        self.tasks[spec.folder] = self.progress.add_task("", name=name, what="starting", total=1.0)

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        self.progress.update(self.tasks[spec.folder], what=what, completed=share)

    def message(self, words: str) -> None:
        self.progress.update(self.whole, what=words)

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        self.progress.remove_task(self.tasks.pop(spec.folder))
        if outcome == "stopped":
            if not any((spec.folder / name).exists() for name in (RESUME_FILE, SELECTION_FILE)):
                self.console.print(f"{_name(spec)} left no checkpoint; give it a longer --budget")
            return
        collect(self.folder)
        self.console.print(_line(spec, seconds))
        self.progress.advance(self.whole)


def _name(spec: RunSpec) -> str:
    return f"{spec.experiment} seed {spec.seed}"


def _line(spec: RunSpec, wall: float) -> Text:
    row, name = read_row(spec.folder), _name(spec)
    if row.status != "ok":
        return Text.assemble(("✗", "red"), f" {name}: {row.status}, {row.reason}")
    metrics = row.test or row.val
    part = "test" if row.test else "val"
    assert metrics is not None and row.train_seconds is not None
    return Text.assemble(
        ("✓", "green"),
        f" {name}: {part} {metrics.headline}, "
        f"trained {row.train_seconds:.0f} s, {wall:.0f} s in all",
    )
