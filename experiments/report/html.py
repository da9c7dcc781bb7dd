"""The report as a self-contained HTML file, without network or further files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from experiments.config.registry import Registry
from experiments.records.plan import PlannedRun
from experiments.records.row import Row
from experiments.report.columns import Column
from experiments.report.comparison import intervals, pairs
from experiments.report.costs import Cost, costs
from experiments.report.curves import Curve, curves
from experiments.report.figure import Figure
from experiments.report.markdown import explain_ranks, rank_text
from experiments.report.missing import MissingRun
from experiments.report.provenance import Origin, find_origin
from experiments.report.quality import Panel, by_length, confusion, errors, reliability
from experiments.report.reviews import Reviews, reviews
from experiments.report.tables import Line, Table, order_families
from experiments.report.texts import ReviewTexts


@dataclass(frozen=True)
class Cell:
    """Cell of a table.

    Attributes:
        main: The value.
        spread: Smaller text after it: standard deviation, number of seeds.
        sort: Exact number to sort by; None sorts last in both directions.
        best: Whether the value is the best of its column.
    """

    main: str
    spread: str = ""
    sort: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Detail:
    """Details of an experiment below the tables.

    Attributes:
        line: Its line of the table.
        origin: Command, settings, machines.
        matrix: Confusion matrix, a row for each class, with share of the row and text of each cell;
            empty without predictions.
        runs: Text by heading for each seed.
    """

    line: Line
    origin: Origin
    matrix: list[list[tuple[float, str]]]
    runs: list[dict[str, str]]


@dataclass(frozen=True)
class Section:
    """A table with its figures.

    Attributes:
        table: The table.
        columns: Its columns, the accuracy that the statistics are about first.
        cells: Cells of each line, in the order of the columns.
        families: Families in the table, in the order of the filter.
        labels: Names of the classes.
        costs: Accuracy against each cost.
        intervals: Accuracies with intervals and seeds.
        pairs: Differences of all pairs of experiments.
        reliability: A panel for each experiment.
        errors: Kinds of error, for two classes.
        by_length: Accuracy by length of the review; None without texts.
        curves: Learning curves by experiment.
        without_curve: Experiments without learning curves.
        reviews: The hardest and the most divisive reviews.
        texts: Whether the texts of the reviews are available.
        details: Details of each experiment.
    """

    table: Table
    columns: list[Column]
    cells: list[list[Cell]]
    families: list[str]
    labels: list[str]
    costs: list[Cost]
    intervals: Figure | None
    pairs: Figure | None
    reliability: list[Panel]
    errors: Figure | None
    by_length: Figure | None
    curves: list[Curve]
    without_curve: list[str]
    reviews: Reviews | None
    texts: bool
    details: list[Detail]


@dataclass(frozen=True)
class Page:
    """Content of the page.

    Attributes:
        title: Name of the benchmark.
        folder: Folder that was read.
        tables: From `build_tables`.
        texts: Test reviews of each table; None if they are not available.
        missing: Runs without a row.
        plan: Plan of the benchmark, for the commands.
        registry: The experiments, with those of `--configs`; None: those of this suite.
    """

    title: str
    folder: Path
    tables: list[Table]
    texts: list[ReviewTexts | None]
    missing: list[MissingRun]
    plan: list[PlannedRun]
    registry: Registry | None = None


def render_html(page: Page) -> str:
    """Render the page: 5 to 8 MB, most of it Plotly's script."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [
        _section(page, table, texts) for table, texts in zip(page.tables, page.texts, strict=True)
    ]
    environment.globals |= {"rank_text": rank_text, "explain_ranks": explain_ranks}
    template = environment.get_template("report.html.j2")
    return template.render(page=page, sections=sections, plotly=get_plotlyjs())


def _section(page: Page, table: Table, texts: ReviewTexts | None) -> Section:
    analysis = table.analysis
    lengths = labels = None
    if analysis is not None:
        classes = next(iter(analysis.probabilities.values())).shape[2]
        labels = list(texts.labels) if texts else [f"class {n}" for n in range(classes)]
        if texts and analysis.part != "val":
            lengths = texts.lengths(analysis.ids)
    drawn, without = curves(table)
    columns = sorted(table.columns, key=lambda column: column.key != table.accuracy_key)
    return Section(
        table=table,
        columns=columns,
        cells=[[_cell(table, line, column) for column in columns] for line in table.lines],
        families=order_families(line.family for line in table.lines),
        labels=labels or [],
        costs=costs(table),
        intervals=intervals(table),
        pairs=pairs(table),
        reliability=reliability(table),
        errors=errors(table, labels or []),
        by_length=by_length(table, lengths),
        curves=drawn,
        without_curve=without,
        reviews=reviews(table, texts),
        texts=texts is not None,
        details=[_detail(page, table, line) for line in table.lines],
    )


def _cell(table: Table, line: Line, column: Column) -> Cell:
    value = line.values[column.key]
    main, _, spread = column.text(value, len(line.seeds)).partition(" ")
    best = line.experiment in table.best[column.key]
    return Cell(main, spread, value.mean if value else None, best)


def _detail(page: Page, table: Table, line: Line) -> Detail:
    counts = confusion(table, line.experiment)
    matrix = []
    for row in [] if counts is None else counts.tolist():
        total = max(sum(row), 1)
        matrix.append([(cell / total, f"{cell:,.0f}") for cell in row])
    origin = find_origin(line, page.title, page.folder, page.plan, page.registry)
    return Detail(
        line, origin, matrix, [_run(row, row.seed in line.unverified) for row in line.rows]
    )


def _run(row: Row, unverified: bool) -> dict[str, str]:
    """Row of the table of runs, by heading."""

    def text(value: Any, form: str = "") -> str:
        return "–" if value is None or value == "" else format(value, form)

    val, test, refit = (
        "unverified" if unverified and metrics else text(metrics and metrics.accuracy * 100, ".2f")
        for metrics in row.parts.values()
    )
    tuning = ", ".join(f"{name} {value}" for name, value in row.tuning.items())
    return {
        "Seed": str(row.seed),
        "Validation accuracy, %": val,
        "Test accuracy, %": test,
        "Refit, %": refit,
        "Epochs": text(row.epochs),
        "Best epoch": text(None if row.best_epoch is None else row.best_epoch + 1),
        "Training, s": text(row.train_seconds, ",.1f"),
        "Tokens/s": text(row.train_tokens_per_second, ",.0f"),
        "Latency p95, ms": text(row.latency_ms_p95, ".2f"),
        "Best batch": text(row.best_batch_size),
        "Precision": text(row.precision),
        "Tuning": text(tuning),
        "Config": text(row.config_hash[:10]),
        "Code": text(row.git_commit and row.git_commit[:10]),
        "W&B run": text(row.wandb_run),
    }
