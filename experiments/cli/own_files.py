"""A finished run on files that it was evaluated on beside its row: a line for each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.inference.own_test import FOLDER
from experiments.machine.terminal import GridColumn, print_grid
from experiments.records.problems.label_metrics import MultiLabelMetrics
from experiments.records.row import Part, Row
from experiments.report.classes import ON

_Z = 1.959963984540054  # of 95%
_ONE = {"f1": "F1\n%", "auroc": "AUROC\n%", "log_loss": "Loss\nnats", "ece": "ECE\n%"}
_SEVERAL = {"micro_f1": "Micro F1\n%", "f1": "Macro F1\n%", "log_loss": "Loss\nnats"}


def print_files(console: Console, folder: Path, row: Row) -> None:
    """Print the figures of a run's own part and of each file, with intervals of accuracies.

    Args:
        console: Console to print to.
        folder: The run folder.
        row: Its row.
    """
    lines = _own(row)
    for file in sorted((folder / FOLDER).glob("*/metrics.json")):
        record = json.loads(file.read_bytes())
        lines[Path(str(record["file"])).name] = record
    several = any("micro_f1" in record for record in lines.values())
    first = "All right\n%" if several else "Accuracy\n%"
    columns = [
        GridColumn("Texts\n", [f"{record['n']:,}" for record in lines.values()], 1),
        GridColumn(first, [_accuracy(record) for record in lines.values()]),
    ]
    for rank, (name, heading) in enumerate((_SEVERAL if several else _ONE).items(), 2):
        cells = [_figure(record.get(name), name) for record in lines.values()]
        columns.append(GridColumn(heading, cells, rank))
    print_grid(console, GridColumn("\nTexts of", list(lines)), columns, f"{folder / FOLDER}")
    console.print("In brackets 95% intervals, by texts.")


def _own(row: Row) -> dict[str, Mapping[str, Any]]:
    """Figures of the run's own test rows; of validation where it has none."""
    parts: tuple[Part, ...] = ("test_refit", "test", "val")
    for part in parts:
        if metrics := row.parts[part]:
            figures = vars(metrics)
            if isinstance(metrics, MultiLabelMetrics) or "accuracy" in figures:
                return {f"{row.corpus}, {ON[part]}": figures}
    return {}


def _accuracy(record: Mapping[str, Any]) -> str:
    low, high = interval(record["accuracy"], record["n"])
    return f"{100 * record['accuracy']:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def _figure(value: float | None, name: str) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if name == "log_loss" else f"{100 * value:.2f}"


def interval(share: float, n: int) -> tuple[float, float]:
    """95% interval of a share of n independent texts (Wilson 1927)."""
    middle = share + _Z**2 / (2 * n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return (middle - half) / scale, (middle + half) / scale
