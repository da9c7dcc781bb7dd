"""The report in the terminal, without the columns that do not fit."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from experiments.machine.terminal import GridColumn, print_grid
from experiments.report.columns import MAIN, Column
from experiments.report.facts import LARGEST_CLASS
from experiments.report.missing import MissingRun, count_in_words
from experiments.report.tables import Line, Table

WIDTH = 100
# The columns to print, with short headings.
SHORT = {
    "val_accuracy": "Val acc\n%",
    "test_accuracy": "Test acc\n%",
    "refit_accuracy": "Refit\n%",
    "test_perplexity": "Perplexity\n",
    "val_perplexity": "Val\nperplexity",
    "bits": "Bits a\ncharacter",
    "test_per": "PER\n%",
    "test_wer": "WER\n%",
    "val_per": "Val PER\n%",
    "val_wer": "Val WER\n%",
    "val_micro_f1": "Val micro\nF1 %",
    "test_micro_f1": "Micro F1\n%",
    "refit_micro_f1": "Refit\n%",
    "val_macro_f1": "Val macro\nF1 %",
    "test_macro_f1": "Macro F1\n%",
    "val_all_right": "Val all\nright %",
    "test_all_right": "All right\n%",
    "val_tag_f1": "Val tag\nF1 %",
    "tag_f1": "Tag F1\n%",
    "f1_comma": "Comma\n%",
    "f1_period": "Period\n%",
    "f1_question": "Question\n%",
    "f1_exclamation": "Exclaim\n%",
    "f1_capitals": "Capitals\n%",
    "rate": "Words/s\n",
    "val_f1": "Val F1\n%",
    "val_balanced_accuracy": "Val bal\nacc %",
    "val_log_loss": "Val loss\nnats",
    "val_ece": "Val ECE\n%",
    "f1": "F1\n%",
    "balanced_accuracy": "Bal acc\n%",
    "log_loss": "Loss\nnats",
    "ece": "ECE\n%",
    "mae": "MAE\n",
    "val_mae": "Val MAE\n",
    "parameters": "Params\n",
    "train_seconds": "Train\ns",
    "latency": "p50\nms",
    "size": "Size\nMiB",
}
SEEDS = "seeds"
LEAST = (
    *("size", "latency", "ece", "val_ece", "parameters", "train_seconds", "log_loss"),
    *("mae", "val_mae"),
    *("val_log_loss", "balanced_accuracy", "val_balanced_accuracy", "f1", "val_f1"),
    *("val_all_right", "test_all_right", "val_macro_f1", "test_macro_f1", "val_micro_f1"),
    *("f1_exclamation", "f1_question", "f1_period", "f1_comma", "f1_capitals", "val_tag_f1"),
    *("rate", "bits", "val_accuracy", "val_wer", "val_perplexity", "val_per", SEEDS),
    *("refit_micro_f1", "test_micro_f1"),
    *("refit_accuracy", "test_accuracy", "test_perplexity", "test_wer", "test_per"),
    "tag_f1",
)
"""Columns that are left out where the terminal is too narrow, in this order."""
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


def _print_grid(console: Console, table: Table) -> None:
    names, columns = _columns(table)
    print_grid(console, names, columns, "the page of `lit-sentiment report`")


def _columns(table: Table) -> tuple[GridColumn, list[GridColumn]]:
    """The names of a table's lines, and its columns with a value that are for the terminal."""
    lines, largest = table.lines, table.largest_class
    mains = MAIN[table.problem].values()
    main = next((key for key in mains if any(one.values.get(key) for one in lines)), "")
    seeds = [str(len(line.seeds)) for line in lines] + [""] * bool(largest)
    columns = [GridColumn("\nSeeds", seeds, LEAST.index(SEEDS))]
    for column in table.columns:
        key = column.key
        if key not in SHORT or not any(line.values[key] for line in lines):
            continue
        cells = [
            Text(
                _short(column, line),
                style="bold green" if line.experiment in table.best[key] else "",
            )
            for line in lines
        ]
        if largest:
            share = largest.get(key)
            cells.append(Text("–" if share is None else f"{share:.2f}", style="dim"))
        columns.append(GridColumn(SHORT[key], cells, None if key == main else LEAST.index(key)))
    labels = [Text(line.label) for line in lines]
    if largest:
        labels.append(Text(LARGEST_CLASS, style="dim"))
    return GridColumn("\nExperiment", labels), columns


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
