"""The report of a benchmark: a table in the terminal, `report.md` and `report.html`."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.records import test_log
from experiments.records.atomic import replace_bytes
from experiments.records.costs import add_costs
from experiments.records.plan import read_plan
from experiments.records.run_files import ROW_FILE, read_rows
from experiments.report.evidence import analyse_rows
from experiments.report.html import Page, render_html
from experiments.report.markdown import render_markdown
from experiments.report.missing import MissingRun, missing_runs
from experiments.report.tables import Table, build_tables
from experiments.report.terminal import WIDTH, print_tables
from experiments.report.texts import find_texts

__all__ = ["ReportFiles", "read_tables", "report"]


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written.

    Attributes:
        markdown: The table as Markdown.
        html: One self-contained page; opens from disk, without network.
    """

    markdown: Path
    html: Path


def report(
    folder: Path,
    out: Path | None = None,
    console: Console | None = None,
    root: str | None = None,
    texts: bool = True,
) -> ReportFiles:
    """Read rows, print their table, and write `report.md` and `report.html`.

    Args:
        folder: A benchmark folder, finished or not, a run folder, a published folder or one
            published table.
        out: Where to write; `folder` itself when None.
        console: Where to print; the terminal when None.
        root: The official corpus, for the texts of reviews; else they come from the cache, if
            they are there.
        texts: Whether the page may show reviews at all.

    Returns:
        The paths of both files.

    Raises:
        ResultsError: Neither rows nor begun runs there, rows that do not fit the schema, or
            predictions that do not fit their rows.
        DataError: `root` is no corpus.
        OSError: As raised by the file system.
    """
    folder = Path(folder)
    home = folder.parent if folder.is_file() else folder
    tables, lost = read_tables(folder)
    known = [find_texts(t.fingerprint, root) if t.analysis and texts else None for t in tables]
    out = Path(out) if out is not None else home
    files = ReportFiles(out / "report.md", out / "report.html")
    # The name alone: a report is passed on, and the path would tell about the machine.
    title = folder.resolve().stem if folder.is_file() else folder.resolve().name
    replace_bytes(files.markdown, render_markdown(title, tables, lost).encode())
    page = Page(title, home, tables, known, lost, read_plan(home))
    replace_bytes(files.html, render_html(page).encode())
    if console is None:
        console = Console()
        if not console.is_terminal:  # a log file has no width; rich would assume 80
            console = Console(width=WIDTH)
    print_tables(console, tables, lost)
    console.print(f"Report: {files.html}", soft_wrap=True, highlight=False, markup=False)
    return files


def read_tables(folder: Path) -> tuple[list[Table], list[MissingRun]]:
    """The tables of a folder with all that their predictions say, and the runs that are missing.

    Raises:
        ResultsError: as `report`.
    """
    home = folder.parent if folder.is_file() else folder
    begun = (
        not folder.is_file()
        and missing_runs(folder, [])
        and not any(folder.glob(f"*/*/{ROW_FILE}"))
    )
    rows = [] if begun else read_rows(folder)
    log = test_log.read(home / test_log.LOG_FILE)  # published rows have it beside them
    tables = build_tables(add_costs(rows, home), log, lambda done: analyse_rows(done, folder))
    return tables, missing_runs(folder, rows)
