"""The report in the terminal, without the columns that do not fit."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from experiments.report.columns import ACCURACY, Column
from experiments.report.facts import LARGEST_CLASS
from experiments.report.missing import MissingRun, count_in_words
from experiments.report.tables import Line, Table

WIDTH = 100
# The columns to print, with short headings.
SHORT = {
    "val_accuracy": "Val acc\n%",
    "test_accuracy": "Test acc\n%",
    "refit_accuracy": "Refit\n%",
    "val_f1": "Val F1\n%",
    "val_balanced_accuracy": "Val bal\nacc %",
    "val_log_loss": "Val loss\nnats",
    "val_ece": "Val ECE\n%",
    "f1": "F1\n%",
    "balanced_accuracy": "Bal acc\n%",
    "log_loss": "Loss\nnats",
    "ece": "ECE\n%",
    "parameters": "Params\n",
    "train_seconds": "Train\ns",
    "latency": "p50\nms",
    "size": "Size\nMiB",
}
SEEDS = "seeds"
LEAST = (
    *("size", "latency", "ece", "val_ece", "parameters", "train_seconds", "log_loss"),
    *("val_log_loss", "balanced_accuracy", "val_balanced_accuracy", "f1", "val_f1"),
    *("val_accuracy", SEEDS, "refit_accuracy", "test_accuracy"),
)
"""Columns that are left out where the terminal is too narrow, in this order."""
# Of an encoding without the usual signs.
_ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
_ASCII = str.maketrans({"±": "+-", "–": "-", "…": "~", "†": "*"})
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
            _print_grid(console, table)
        for row in table.without_result:
            text = Text(f"{row.experiment}, seed {row.seed}: ")
            text.append(row.status, style="red" if row.status == "failed" else "yellow")
            text.append(f": {' '.join((row.reason or '').split())}")
            console.print(text)
        for note in table.notes:
            console.print(Text(note, style="dim"))
    if missing:
        console.print(Text(f"\n{count_in_words(missing)}", style="bold"))
    for run in missing:
        console.print(Text(f"{run.experiment}, seed {run.seed}: {run.state}"))


@dataclass(frozen=True)
class _Shown:
    """Column in the terminal: its key, its heading in two lines, and a cell for each line."""

    key: str
    heading: str
    cells: list[Text]

    @property
    def width(self) -> int:
        """Characters of the widest cell, with one for the gap before it and one after it."""
        texts = [*self.heading.split("\n"), *(cell.plain for cell in self.cells)]
        return max(map(cell_len, texts)) + 2


def _print_grid(console: Console, table: Table) -> None:
    """Print a grid without the columns for which there is no room, and say which these are.

    Rich would cut off names and digits. Here names are shortened last, and no number is.
    """
    symbols = _ASCII if console.options.ascii_only else {}
    names, columns = _columns(table, symbols)
    needed = names.width - 1 + sum(column.width for column in columns)
    main = next((k for k in ACCURACY.values() if any(one.values.get(k) for one in table.lines)), "")
    shown, width = list(columns), needed
    for key in (key for key in LEAST if key != main):
        if width <= console.width:
            break
        width -= sum(column.width for column in shown if column.key == key)
        shown = [column for column in shown if column.key != key]
    room = console.width - sum(column.width for column in shown) - 1
    mark = "…".translate(symbols)
    style = _ASCII_BOX if console.options.ascii_only else box.SIMPLE
    grid = Grid(box=style, padding=(0, 1, 0, 0), show_edge=False)
    grid.add_column(f"\n{_shortened('Experiment', room, mark)}", no_wrap=True)
    for column in shown:
        grid.add_column(column.heading, justify="right", no_wrap=True)
    for number, name in enumerate(names.cells):
        cells = [column.cells[number] for column in shown]
        grid.add_row(_shortened(name.plain, room, mark), *cells)
    console.print(grid)
    if left := [one.heading.partition("\n") for one in columns if one not in shown]:
        hidden = ", ".join(top or bottom for top, _, bottom in left)
        console.print(
            Text(
                f"Not shown at this width: {hidden}. A terminal of {needed} columns shows all, and "
                "so does the page of `lit-sentiment report`.",
                style="dim",
            )
        )


def _columns(table: Table, symbols: dict[int, str]) -> tuple[_Shown, list[_Shown]]:
    """The names of a table's lines, and its columns with a value that are for the terminal."""
    lines = table.lines
    seeds = _Shown(SEEDS, "\nSeeds", [Text(str(len(line.seeds))) for line in lines])
    columns = [seeds]
    for column in table.columns:
        measured = any(line.values[column.key] for line in lines)
        if column.key not in SHORT or not measured:
            continue
        best = table.best[column.key]
        cells = [
            Text(
                _short(column, line).translate(symbols),
                style="bold green" if line.experiment in best else "",
            )
            for line in lines
        ]
        columns.append(_Shown(column.key, SHORT[column.key], cells))
    labels = [Text(line.label.translate(symbols)) for line in lines]
    if table.largest_class:
        for shown in columns:
            share = table.largest_class.get(shown.key)
            text = "" if shown is seeds else "–" if share is None else f"{share:.2f}"
            shown.cells.append(Text(text.translate(symbols), style="dim"))
        labels.append(Text(LARGEST_CLASS, style="dim"))
    return _Shown("", "\nExperiment", labels), columns


def _shortened(name: str, room: int, mark: str) -> str:
    """A name in at most `room` characters: its begin and its end with a mark between."""
    if cell_len(name) <= room:
        return name
    end = max(0, room - 1) // 2
    begin = max(1, room - 1 - end)
    while cell_len(name[:begin] + mark + name[len(name) - end :]) > max(room, 2) and begin > 1:
        begin -= 1  # of characters that are two wide
    return name[:begin] + mark + name[len(name) - end :]


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
