"""Changes between two benchmarks, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from experiments.machine.terminal import GridColumn, print_grid
from experiments.records.atomic import replace_bytes
from experiments.records.row import Part
from experiments.statistics.pairwise_tests import Difference


@dataclass(frozen=True)
class Change:
    """Difference of one experiment between benchmarks A and B.

    Attributes:
        experiment: Name; `cnn → lstm` if two single experiments of different names are compared.
        protocol: `holdout` or `refit`: the fit whose predictions are compared.
        excluded: Reviews kept out of training, as in the row.
        part: Part of the predictions; `val` if the runs were not tested.
        seeds: The seeds that both have; the others are not used.
        first: Accuracy in A, in 0..1.
        second: Accuracy in B.
        difference: B minus A with its interval; `p_holm` is corrected over all experiments.
        worse: Whether B is significantly worse.
        better: Whether B is significantly better.
        settings: Other differences between the rows, in words.
    """

    experiment: str
    protocol: str
    excluded: str | None
    part: Part
    seeds: tuple[int, ...]
    first: float
    second: float
    difference: Difference
    worse: bool
    better: bool
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison.

    Attributes:
        changes: Experiments in both, by falling accuracy in A.
        missing: Experiments and seeds that one of the two lacks, in words.
    """

    changes: list[Change] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def worse(self) -> bool:
        """True if any experiment got significantly worse."""
        return any(change.worse for change in self.changes)

    def write(self, path: Path) -> None:
        """Write all figures as JSON."""
        content = {"worse": self.worse, **dataclasses.asdict(self)}
        replace_bytes(path, (json.dumps(content, indent=1) + "\n").encode())

    def show(self, console: Console) -> None:
        """Print the comparison as a table."""
        names = [f"{change.experiment} · {change.protocol}" for change in self.changes]
        differences = [change.difference for change in self.changes]
        intervals = [
            f"{100 * d.difference:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
            for d in differences
        ]
        p_values = ["–" if d.reviews_only else f"{d.p_holm:.3g}" for d in differences]
        verdicts = ["worse" if c.worse else "better" if c.better else "" for c in self.changes]
        columns = [
            GridColumn("Seeds", [str(len(change.seeds)) for change in self.changes], 0),
            GridColumn("A %", [f"{100 * change.first:.2f}" for change in self.changes], 2),
            GridColumn("B %", [f"{100 * change.second:.2f}" for change in self.changes], 3),
            GridColumn("B - A [95%]", intervals),
            GridColumn("p (Holm)", p_values, 1),
            GridColumn("", verdicts, justify="left"),
        ]
        print_grid(console, GridColumn("Experiment", names), columns, "the file of `--json`")
        lines = [
            f"{', '.join(c.experiment for c in self.changes if text in c.settings)}: {text}"
            for text in dict.fromkeys(text for c in self.changes for text in c.settings)
        ]
        if any(change.difference.reviews_only for change in self.changes):
            lines.append(
                "One seed: the interval does not cover the variation over seeds, so no difference "
                "is claimed."
            )
        if any(change.part == "val" for change in self.changes):
            lines.append("Runs that were not tested are compared on validation rows.")
        for line in lines + self.missing:
            console.print(line, soft_wrap=True)
