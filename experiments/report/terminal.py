"""The report in the terminal, at most 100 columns wide, without the columns that do not fit."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from experiments.report.columns import ACCURACY, Column
from experiments.report.facts import LARGEST_CLASS
from experiments.report.missing import MissingRun
from experiments.report.tables import Line, Table

WIDTH = 100
# The columns to print, with short headings.
SHORT = {
    "val_accuracy": "Val acc\n%",
    "test_accuracy": "Test acc\n%",
    "refit_accuracy": "Refit\n%",
    "f1": "F1\n%",
    "log_loss": "Loss\nnats",
    "ece": "ECE\n%",
    "parameters": "Params\n",
    "train_seconds": "Train\ns",
    "latency": "p50\nms",
    "size": "Size\nMiB",
}
LEAST = (
    *("size", "latency", "ece", "f1", "parameters", "train_seconds", "log_loss"),
    *("val_accuracy", "refit_accuracy", "test_accuracy"),
)
"""Columns that are left out where the terminal is too narrow, in this order."""
_NAME = 18  # characters of a name beside which it is worth showing a further column
WITH_SPREAD = ("val_accuracy", "test_accuracy", "refit_accuracy")


def print_tables(console: Console, tables: list[Table], missing: Sequence[MissingRun] = ()) -> None:
    """Print the main columns of every table, and the runs without a result.

    Args:
        console: Console to print to.
        tables: From `build_tables`.
        missing: Runs without a row.
    """
    for table in tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        facts = dict(table.facts)
        for name in ("Evaluated on", "Machine"):
            if name in facts:
                console.print(Text(f"{name}: {facts[name]}", style="dim"))
        if table.lines:
            console.print(_fitting_grid(console, table))
        for row in table.without_result:
            text = Text(f"{row.experiment}, seed {row.seed}: ")
            text.append(row.status, style="red" if row.status == "failed" else "yellow")
            text.append(f": {' '.join((row.reason or '').split())}")
            console.print(text)
        for note in table.notes:
            console.print(Text(note, style="dim"))
    if missing:
        console.print(Text(f"\n{len(missing)} runs are missing:", style="bold"))
    for run in missing:
        console.print(Text(f"{run.experiment}, seed {run.seed}: {run.state}"))


def _fitting_grid(console: Console, table: Table) -> Grid:
    """Grid with as many columns as fit; rich would cut off names and digits."""
    longest = max(len(line.label) for line in table.lines)
    endless = console.options.update(max_width=10_000)
    main = next(
        (k for k in ACCURACY.values() if any(line.values.get(k) for line in table.lines)), ""
    )
    least = [key for key in LEAST if key != main]
    grid = _grid(table, ())
    for number in range(1, len(least) + 1):
        width = Measurement.get(console, endless, grid).maximum
        if width - max(0, longest - _NAME) <= console.width:
            break
        grid = _grid(table, least[:number])
    return grid


def _grid(table: Table, without: Sequence[str]) -> Grid:
    columns = [one for one in table.columns if one.key in SHORT and one.key not in without]
    grid = Grid(box=box.SIMPLE, padding=(0, 1, 0, 0), show_edge=False)
    longest = max(len(line.label) for line in table.lines)
    grid.add_column("\nExperiment", min_width=min(longest, _NAME), overflow="fold")
    grid.add_column("\nSeeds", justify="right", no_wrap=True)
    for column in columns:
        grid.add_column(SHORT[column.key], justify="right", no_wrap=True)
    for line in table.lines:
        cells = [Text(line.label), Text(str(len(line.seeds)))]
        for column in columns:
            best = line.experiment in table.best[column.key]
            cells.append(Text(_short(column, line), style="bold green" if best else ""))
        grid.add_row(*cells)
    if table.largest_class:
        shares = (table.largest_class.get(column.key) for column in columns)
        shown = ["–" if share is None else f"{share:.2f}" for share in shares]
        grid.add_row(LARGEST_CLASS, "", *shown, style="dim")
    return grid


def _short(column: Column, line: Line) -> str:
    """Format a value in few characters, with its spread only for accuracies."""
    value = line.values[column.key]
    if value is None:
        return "–"
    if column.key == "parameters":
        return compact(value.mean)
    if column.key in WITH_SPREAD and value.sd is not None:
        return f"{value.mean:.2f} ± {value.sd:.2f}"
    large = column.decimals and value.mean >= 10_000
    return f"{value.mean:.0f}" if large else f"{value.mean:.{column.decimals}f}"


def compact(count: float) -> str:
    """Format a count in at most 6 characters, for example 2.61M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size * 0.9995:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"
