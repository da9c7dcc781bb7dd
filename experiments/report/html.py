"""The report as a self-contained HTML file, without network or further files."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from experiments.config.registry import Registry
from experiments.records.plan import PlannedRun
from experiments.records.row import Row
from experiments.report.classes import class_grid
from experiments.report.columns import ACCURACY, Column
from experiments.report.comparison import compared, intervals, pairs
from experiments.report.costs import Cost, costs
from experiments.report.curves import Curve, curves
from experiments.report.facts import noun, order_families, seeds_text
from experiments.report.figure import Figure
from experiments.report.markdown import explain_quality, explain_ranks, rank_text
from experiments.report.missing import MissingRun
from experiments.report.page.classes import Confusion, class_names, confusions, f1_by_class
from experiments.report.page.subsets import Grid, robustness, subsets
from experiments.report.page.summary import summarise
from experiments.report.picture.symbols import NAMES, THEMES, known_family
from experiments.report.provenance import Origin, find_origin
from experiments.report.quality import Panel, by_length, errors, reliability
from experiments.report.reviews import Reviews, reviews
from experiments.report.tables import Line, Table
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
        confusion: Figures of each class and what it is confused with; None without predictions.
        runs: Text by heading for each seed.
    """

    line: Line
    origin: Origin
    confusion: Confusion | None
    runs: list[dict[str, str]]


@dataclass(frozen=True)
class Section:
    """A table with its figures.

    Attributes:
        table: The table.
        columns: Its columns, all accuracies first, that which the statistics are about before
            the others.
        cells: Cells of each line, in the order of the columns.
        noun: What the rows of the corpus are called.
        summary: The first sentences.
        families: Families in the table, in the order of the filter.
        labels: Names of the classes.
        costs: Accuracy against each cost.
        intervals: Accuracies with intervals and seeds.
        pairs: Differences of all pairs of experiments.
        ranked: Whether experiments have ranks and group letters, which one alone would not need.
        both: Whether the accuracies of two protocols have intervals.
        strokes: Whether an experiment has several seeds.
        tested: Number of experiments whose differences are tested.
        by_class: F1 of each class.
        classes_left_out: Number of classes that it does not show.
        reliability: A panel for each experiment.
        errors: Kinds of error, for two classes.
        by_length: Accuracy by length of the review; None without texts.
        curves: Learning curves by experiment.
        without_curve: Experiments without learning curves.
        reviews: The hardest and the most divisive reviews.
        subsets: Accuracy on parts of the test split; None if they were not computed.
        texts: Whether the texts of the reviews are available.
        details: Details of each experiment.
    """

    table: Table
    columns: list[Column]
    cells: list[list[Cell]]
    noun: str
    summary: list[str]
    families: list[str]
    labels: list[str]
    costs: list[Cost]
    intervals: Figure | None
    pairs: Figure | None
    reliability: list[Panel]
    ranked: bool
    both: bool
    strokes: bool
    tested: int
    by_class: Figure | None
    classes_left_out: int
    errors: Figure | None
    by_length: Figure | None
    curves: list[Curve]
    without_curve: list[str]
    reviews: Reviews | None
    subsets: Grid | None
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
    sections = [
        _section(page, table, texts) for table, texts in zip(page.tables, page.texts, strict=True)
    ]
    return _template().render(
        page=page,
        sections=sections,
        robustness=robustness(page.folder),
        palettes={name: theme.families for name, theme in THEMES.items()},
        plotly=get_plotlyjs(),
    )


@cache
def _template() -> jinja2.Template:
    """The page's template, compiled once for all reports of a process."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "class_grid": class_grid,
        "rank_text": rank_text,
        "explain_ranks": explain_ranks,
        "explain_quality": explain_quality,
        "seeds_text": seeds_text,
        "family_number": lambda family: NAMES.index(known_family(family)),
    }
    return environment.get_template("report.html.j2")


def _section(page: Page, table: Table, texts: ReviewTexts | None) -> Section:
    analysis = table.analysis
    labels = class_names(table, page.folder, texts)
    tested_texts = texts and analysis is not None and analysis.part != "val"
    lengths = texts.lengths(analysis.ids) if texts and analysis and tested_texts else None
    called = noun([row for line in table.lines for row in line.rows] or table.without_result)
    by_class, classes_left_out = f1_by_class(table, labels)
    drawn, without = curves(table)
    first = [*(key for key in ACCURACY.values() if key != ACCURACY["val"]), ACCURACY["val"]]
    first.sort(key=lambda key: key != table.accuracy_key)
    order = {key: place for place, key in enumerate(first)}
    columns = sorted(table.columns, key=lambda column: order.get(column.key, len(order)))
    return Section(
        table=table,
        columns=columns,
        cells=[[_cell(table, line, column) for column in columns] for line in table.lines],
        noun=called,
        summary=summarise(table, called),
        families=order_families(line.family for line in table.lines),
        labels=labels,
        costs=costs(table),
        intervals=intervals(table),
        pairs=pairs(table),
        reliability=reliability(table),
        ranked=sum(bool(line.ranks) for line in table.lines) > 1,
        both=len({key for line in table.lines for key in line.intervals}) > 1,
        strokes=any(len(line.seeds) > 1 for line in table.lines),
        tested=len(compared(table)),
        by_class=by_class,
        classes_left_out=classes_left_out,
        errors=errors(table, labels),
        by_length=by_length(table, lengths),
        curves=drawn,
        without_curve=without,
        reviews=reviews(table, texts, labels),
        subsets=subsets(table, page.folder),
        texts=texts is not None,
        details=[_detail(page, line, table, labels) for line in table.lines],
    )


def _cell(table: Table, line: Line, column: Column) -> Cell:
    value = line.values[column.key]
    main, _, spread = column.text(value, len(line.seeds)).partition(" ")
    best = line.experiment in table.best[column.key]
    return Cell(main, spread, value.mean if value else None, best)


def _detail(page: Page, line: Line, table: Table, labels: list[str]) -> Detail:
    origin = find_origin(line, page.title, page.folder, page.plan, page.registry)
    runs = [_run(row, row.seed in line.unverified) for row in line.rows]
    return Detail(line, origin, confusions(table, line.experiment, labels), runs)


def _run(row: Row, unverified: bool) -> dict[str, str]:
    """Row of the table of runs, by heading."""

    def text(value: Any, form: str = "") -> str:
        return "–" if value is None or value == "" else format(value, form)

    val, test, refit = (
        "unverified" if unverified and metrics else text(metrics and metrics.headline)
        for metrics in row.parts.values()
    )
    tuning = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in row.tuning.items()
        if value is not None
    )
    return {
        "Seed": str(row.seed),
        "Validation accuracy, %": val,
        "Test accuracy, %": test,
        "Refit, %": refit,
        "Epochs": text(row.epochs or None),  # 0: an estimator
        "Best epoch": text(None if row.best_epoch is None else row.best_epoch + 1),
        "Training, s": text(row.fit_seconds, ",.1f"),
        "Tokens/s": text(row.train_tokens_per_second, ",.0f"),
        "Latency p95, ms": text(row.latency_ms_p95, ".2f"),
        "Best batch": text(row.best_batch_size),
        "Precision": text(row.precision),
        "Tuning": text(tuning),
        "Config": text(row.config_hash[:10]),
        "Code": text(row.git_commit and row.git_commit[:10]),
        "W&B run": text(row.wandb_run),
    }
