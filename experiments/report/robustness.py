"""Robustness table, for the terminal and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.machine.terminal import GridColumn, print_grid
from experiments.records.row import ResultsError

if TYPE_CHECKING:  # it loads torch
    from experiments.inference.robustness import RobustnessResult

COLUMNS = (
    ("contrast original", "contrast_original"),
    ("contrast revised", "contrast_revised"),
    ("contrast both", "contrast_consistency"),
    ("counterf. original", "counterfactual_original"),
    ("counterf. revised", "counterfactual_revised"),
    ("counterf. both", "counterfactual_consistency"),
    ("1% typos", "typos_1"),
    ("3% typos", "typos_3"),
    ("5% typos", "typos_5"),
    ("no marks", "no_punctuation"),
    ("lower case", "lower_case"),
    ("Rotten Tomatoes", "rotten_tomatoes"),
)
"""Heading and key of each column."""
_LEAST = (
    *("typos_3", "lower_case", "no_punctuation", "typos_1", "typos_5", "rotten_tomatoes"),
    *("counterfactual_original", "counterfactual_revised", "counterfactual_consistency"),
    *("contrast_original", "contrast_revised"),
)
"""Columns that are left out where the terminal is too narrow, in this order."""
_WIDTH = 100


def print_table(console: Console, results: Sequence[RobustnessResult]) -> None:
    """Print accuracies in %, by falling consistency on contrast sets."""
    names, cells = [], []
    for one in ordered(results):
        seed = one.run["seed"]
        names.append(one.run["experiment"] + _second(one) + (f", seed {seed}" if seed else ""))
        cells.append({key: f"{100 * value:.1f}" for key, value in one.figures().items()})
    columns = [
        GridColumn(
            heading.replace(" ", "\n", 1),
            [line[key] for line in cells],
            _LEAST.index(key) if key in _LEAST else None,
        )
        for heading, key in COLUMNS
    ]
    print_grid(console, GridColumn("\nexperiment", names), columns)


def markdown_table(results: Sequence[RobustnessResult]) -> str:
    """Write the table as Markdown, with a description of the sets.

    Raises:
        ResultsError: There are no results.
    """
    if not results:
        raise ResultsError(
            "0 robustness results are published and the table needs one; run "
            "`lit-sentiment robustness BENCHMARK --publish`"
        )
    heads = [
        "experiment",
        "seed",
        "val %",
        *(f"{heading.removesuffix('%')} %" for heading, _ in COLUMNS),
    ]
    lines = [heads, ["---", *("---:" for _ in heads[1:])]]
    for one in ordered(results):
        figures, run = one.figures(), one.run
        name, val = f"`{run['experiment']}`{_second(one)}", run["val_accuracy"]
        cells = [name, str(run["seed"]), "–" if val is None else f"{100 * val:.2f}"]
        lines.append(cells + [f"{100 * figures[key]:.1f}" for _, key in COLUMNS])
    sizes = {name: len(labels) for name, labels in results[0].labels.items()}
    learnt = sorted({one.run["train_rows"] for one in results})
    protocols = sorted({f"`{one.run['weights']}`" for one in results})
    about = (
        f"Accuracy on {sizes['contrast_original']:,} pairs of contrast sets, "
        f"{sizes['counterfactual_original']:,} counterfactual pairs (*both*: both texts of a pair "
        "right), the counterfactual originals with 1, 3 and 5% of their letters mistyped, without "
        "punctuation or in lower case, and "
        f"{sizes['rotten_tomatoes']:,} sentences of Rotten Tomatoes. Protocol "
        f"{' and '.join(protocols)}, learnt from {' or '.join(f'{n:,}' for n in learnt)} reviews: "
        "the originals and their copies were left out of training, validation, vocabulary and "
        "word vectors."
    )
    command = (
        "Each row: `lit-sentiment fit -c NAME --root DIR --name robustness --data.exclude "
        "robustness --run.protocol holdout`, then `lit-sentiment robustness runs/robustness "
        "--publish`."
    )
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join([_fill(about), rows, _fill(command)])


def _second(one: RobustnessResult) -> str:
    """Mark of figures that are of the second fit's weights."""
    return " (refit)" if one.run["weights"] == "refit" else ""


def ordered(results: Sequence[RobustnessResult]) -> list[RobustnessResult]:
    """Sort results by falling consistency on contrast sets."""
    return sorted(results, key=lambda one: (-one.consistency("contrast"), one.run["seed"]))


def _fill(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
