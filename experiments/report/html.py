"""The report as one HTML file that needs nothing else: no network, no further files."""

from dataclasses import dataclass
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from experiments.report.plots import Curve, Figure, curves, tradeoff
from experiments.report.tables import Table
from experiments.results import Row


@dataclass(frozen=True)
class Cell:
    """What the page shows in one cell, and what it sorts by.

    Attributes:
        main: The value.
        spread: What stands smaller behind it: standard deviation, number of seeds.
        sort: The exact number; None sorts last in both directions.
        best: Whether it is the best of its column.
    """

    main: str
    spread: str = ""
    sort: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Section:
    """One table with its figures.

    Attributes:
        table: The table model.
        cells: For each line its cells, in the order of the columns.
        tradeoff: Accuracy against training time.
        curves: Learning curves by experiment.
        without_curve: Experiments that have none.
        runs: One dict of heading to text for each finished run.
    """

    table: Table
    cells: list[list[Cell]]
    tradeoff: Figure | None
    curves: list[Curve]
    without_curve: list[str]
    runs: list[dict[str, str]]


def render_html(title: str, tables: list[Table]) -> str:
    """Render the page.

    Args:
        title: Name of the benchmark.
        tables: From `build_tables`.

    Returns:
        The document, about 5 MB: Plotly's script is inside, once.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    return template.render(
        title=title, sections=[_section(table) for table in tables], plotly=get_plotlyjs()
    )


def _section(table: Table) -> Section:
    cells = []
    for line in table.lines:
        shown = []
        for column in table.columns:
            value = line.values[column.key]
            main, _, spread = column.text(value, len(line.seeds)).partition(" ")
            best = line.experiment in table.best[column.key]
            shown.append(Cell(main, spread, value.mean if value else None, best))
        cells.append(shown)
    drawn, without = curves(table)
    runs = [_run(row) for line in table.lines for row in line.rows]
    return Section(table, cells, tradeoff(table), drawn, without, runs)


def _run(row: Row) -> dict[str, str]:
    """What the table of all runs says about one."""

    def text(value: Any, form: str = "") -> str:
        return "–" if value is None or value == "" else format(value, form)

    tuning = ", ".join(f"{name} {value}" for name, value in row.tuning.items())
    return {
        "Experiment": row.experiment,
        "Architecture": row.architecture,
        "Seed": str(row.seed),
        "Validation accuracy, %": text(row.val and row.val.accuracy * 100, ".2f"),
        "Test accuracy, %": text(row.test and row.test.accuracy * 100, ".2f"),
        "Epochs": text(row.epochs),
        "Best epoch": text(None if row.best_epoch is None else row.best_epoch + 1),
        "Training, s": text(row.train_seconds, ",.1f"),
        "Tokens/s": text(row.train_tokens_per_second, ",.0f"),
        "Latency p95, ms": text(row.latency_ms_p95, ".2f"),
        "Precision": text(row.precision),
        "Tuning": text(tuning),
        "Config": text(row.config_hash[:10]),
        "W&B run": text(row.wandb_run),
    }
