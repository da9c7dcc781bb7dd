"""Figures of each class: in the terminal after a fit, in Markdown and on the page."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from experiments.records.metrics import ClassMetrics, Metrics
from experiments.records.row import Part, Row
from experiments.report.tables import Line, Table
from experiments.statistics.table import analysed_part

FEW = 10  # most classes that are all shown where there is little room
MATRIX = 5  # most classes whose confusion matrix fits into a terminal
_NAME = 24  # most characters of the name of a class there, and of one at the head of a column:
_HEAD = 9
ON: dict[Part, str] = {"val": "validation", "test": "test", "test_refit": "test, second fit"}


@dataclass(frozen=True)
class ClassFigures:
    """Figures of a class, means over the seeds of an experiment.

    Attributes:
        name: Name of the class.
        support: Number of rows of the class.
        precision: In percent, like the following.
        recall: Share of its rows that are predicted as it.
        f1: Harmonic mean of both.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float

    @property
    def texts(self) -> list[str]:
        """Cells of a table: rows, precision, recall, F1."""
        shares = (self.precision, self.recall, self.f1)
        return [f"{self.support:,}", *(f"{share:.1f}" for share in shares)]


HEADS = ("Rows", "Precision, %", "Recall, %", "F1, %")


def class_figures(table: Table, line: Line) -> list[ClassFigures]:
    """Figures of each class of an experiment, on the part that its table is sorted by.

    None without rows that have them: older rows do not, nor do rows whose predictions are missing
    or others.
    """
    part = part_of(table)
    rows = [row for row in line.rows if row.seed not in line.unverified]
    found = [figures for row in rows if (figures := row.of_classes(part))]
    if not found:
        return []
    names = _names(line.rows[0], len(found[0]))
    return [_mean(name, of_class) for name, *of_class in zip(names, *found, strict=True)]


def part_of(table: Table) -> Part:
    """Part of the predictions that the figures of classes are about."""
    return analysed_part(row for line in table.lines for row in line.rows)


def worst(figures: list[ClassFigures], count: int = FEW) -> list[ClassFigures]:
    """All classes if they are few, else those of lowest F1."""
    few = len(figures) <= count
    return figures if few else sorted(figures, key=lambda one: one.f1)[:count]


def class_grid(table: Table) -> tuple[str, list[list[str]]]:
    """A sentence, and the cells of a table of the classes of every experiment, heads first.

    Empty where no row has such figures.
    """
    cells, more = [], False
    for line in table.lines:
        figures = class_figures(table, line)
        more |= len(figures) > FEW
        cells += [[line.label, one.name, *one.texts] for one in worst(figures)]
    if not cells:
        return "", []
    least = f"; of more than {FEW} classes those of lowest F1" if more else ""
    sentence = f"Each class on {ON[part_of(table)]}, means over seeds{least}."
    return sentence, [["Experiment", "Class", *HEADS], *cells]


def print_classes(console: Console, row: Row, folder: Path) -> None:
    """Print the figures of each class of one run, with its confusion matrix if that is small.

    Args:
        console: Console to print to.
        row: Its row; one without such figures prints nothing.
        folder: Its folder, for the command that shows the classes that are left out.
    """
    part = analysed_part([row])
    per_class, metrics = row.of_classes(part), row.parts[part]
    if not per_class or metrics is None:
        return
    names = _names(row, len(per_class))
    figures = [_mean(*pair) for pair in zip(names, ([m] for m in per_class), strict=True)]
    shown = worst(figures)
    console.print()
    one_label = metrics if isinstance(metrics, Metrics) else None
    confusion = one_label.confusion if one_label else None
    explained = ""
    if confusion is not None and len(figures) <= MATRIX:
        explained = "; as: rows predicted as the class"
    title = f"{'Classes' if one_label else 'Labels'} on {ON[part]}, {metrics.n:,} rows{explained}"
    console.print(Text(title, style="bold"))
    console.print(_grid(figures, shown, confusion))
    if one_label is None:
        console.print(f"All labels: {metrics.headline}")
    elif one_label.unbalanced:
        console.print(
            f"Mean over the classes: F1 {100 * one_label.f1:.1f}%, recall (balanced accuracy) "
            f"{100 * (one_label.balanced_accuracy or 0):.1f}%; "
            f"accuracy {100 * one_label.accuracy:.1f}%"
        )
    if (hidden := len(figures) - len(shown)) > 0:
        console.print(
            f"{hidden} more have no lower F1; all: lit-sentiment report {folder}",
            soft_wrap=True,
        )


def _grid(
    figures: list[ClassFigures], shown: list[ClassFigures], matrix: list[list[int]] | None
) -> Grid:
    grid = Grid(box=box.SIMPLE, padding=(0, 1, 0, 0), show_edge=False)
    grid.add_column("\nClass")
    for head in ("\nRows", "Prec.\n%", "Recall\n%", "F1\n%"):
        grid.add_column(head, justify="right", no_wrap=True)
    names = [one.name for one in figures]
    small = matrix is not None and len(figures) <= MATRIX
    if small:
        for name in names:
            grid.add_column(Text(f"as\n{_cut(name, _HEAD)}"), justify="right", no_wrap=True)
    elif matrix is not None:
        grid.add_column("Most often\npredicted instead")
    for one in shown:
        cells = [_cut(one.name, _NAME), *one.texts]
        if matrix is not None:
            counts = np.array(matrix[figures.index(one)])
            cells += [f"{count:,}" for count in counts] if small else [_instead(one, names, counts)]
        grid.add_row(*map(Text, cells))
    return grid


def _instead(one: ClassFigures, names: list[str], counts: np.ndarray) -> str:
    others = np.where(np.array(names) == one.name, 0, counts)
    most = int(others.argmax())
    return f"{_cut(names[most], _NAME)} ({others[most]:,})" if others[most] else "–"


def _mean(name: str, seeds: list[ClassMetrics]) -> ClassFigures:
    shares = [[100 * s for s in (one.precision, one.recall, one.f1)] for one in seeds]
    precision, recall, f1 = np.mean(shares, axis=0).tolist()
    return ClassFigures(name, seeds[0].support, precision, recall, f1)


def _names(row: Row, classes: int) -> list[str]:
    return row.label_names or [f"class {number}" for number in range(classes)]


def _cut(name: str, width: int) -> str:
    name = " ".join(name.split())
    return name if len(name) <= width else f"{name[: width - 1]}…"
