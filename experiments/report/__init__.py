"""Report of a benchmark: a table in the terminal, `report.md` and `report.html`."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from datamodules.console import plain_console
from experiments.config.names import REPORT_FILES
from experiments.config.registry import Registry
from experiments.records.atomic import replace_bytes
from experiments.records.costs import add_costs
from experiments.records.counts import counts
from experiments.records.plan import read_plan
from experiments.records.run_files import ROW_FILE, read_rows
from experiments.records.times import add_times
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
    """Files of a report.

    Attributes:
        markdown: The table as Markdown.
        html: A self-contained page that opens from disk, without network.
    """

    markdown: Path
    html: Path


def report(
    folder: Path,
    out: Path | None = None,
    console: Console | None = None,
    root: str | None = None,
    texts: bool = True,
    registry: Registry | None = None,
) -> ReportFiles:
    """Read rows, print their tables, and write `report.md` and `report.html`.

    Args:
        folder: A benchmark folder, finished or not, a run folder, a published folder or a
            published table.
        out: Folder of the files; `folder` itself if None.
        console: Console to print to; the terminal if None.
        root: The official corpus, for the texts of reviews; if None, texts are shown only if the
            cache has them.
        texts: Whether the page may show texts of reviews.
        registry: The experiments, with those of `--configs`, for the commands of the page; None:
            those of this suite.

    Returns:
        Paths of both files.

    Raises:
        ResultsError: The folder has neither rows nor started runs, rows do not fit the schema, or
            runs were evaluated on different reviews.
        DataError: `root` is not a corpus.
        OSError: As raised by the file system.
    """
    folder = Path(folder)
    home = folder.parent if folder.is_file() else folder
    tables, lost = read_tables(folder)
    known = [find_texts(t.fingerprint, root) if t.analysis and texts else None for t in tables]
    out = Path(out) if out is not None else home
    files = ReportFiles(*(out / name for name in REPORT_FILES))
    # The name alone: the path would reveal the machine in a report that is shared.
    title = folder.resolve().stem if folder.is_file() else folder.resolve().name
    replace_bytes(files.markdown, render_markdown(title, tables, lost).encode())
    page = Page(title, home, tables, known, lost, read_plan(home), registry)
    replace_bytes(files.html, render_html(page).encode())
    if console is None:
        console = plain_console()
        if not console.is_terminal:  # without a terminal rich assumes 80 columns
            console = plain_console(width=WIDTH)
    print_tables(console, tables, lost)
    console.print(f"Report: {files.html}", soft_wrap=True)
    return files


def read_tables(folder: Path) -> tuple[list[Table], list[MissingRun]]:
    """Read the tables of a folder with their statistics, and the missing runs.

    Raises:
        ResultsError: As for `report`.
    """
    home = folder.parent if folder.is_file() else folder
    begun = (
        not folder.is_file()
        and missing_runs(folder, [])
        and not any(folder.glob(f"*/*/{ROW_FILE}"))
    )
    rows = [] if begun else read_rows(folder)
    counted = counts(rows, home)  # by the logs beside published tables
    tables = build_tables(
        add_times(add_costs(rows, home), home),
        counted,
        lambda done, parts: analyse_rows(done, folder, parts),
    )
    return tables, missing_runs(folder, rows)
