"""The report of a benchmark: a table in the terminal, `report.md` and `report.html`."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments import evaluation_log
from experiments.atomic import replace_bytes
from experiments.report.html import render_html
from experiments.report.markdown import render_markdown
from experiments.report.tables import build_tables
from experiments.report.terminal import WIDTH, print_tables
from experiments.results import read_rows

__all__ = ["ReportFiles", "report"]


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written.

    Attributes:
        markdown: The table as Markdown.
        html: One self-contained page; opens from disk, without network.
    """

    markdown: Path
    html: Path


def report(folder: Path, out: Path | None = None, console: Console | None = None) -> ReportFiles:
    """Read rows, print their table, and write `report.md` and `report.html`.

    Args:
        folder: A benchmark folder, a run folder, a published folder or one published table.
        out: Where to write; `folder` itself when None.
        console: Where to print; the terminal when None.

    Returns:
        The paths of both files.

    Raises:
        ResultsError: No rows there, or rows that do not fit the schema.
        OSError: As raised by the file system.
    """
    folder = Path(folder)
    home = folder.parent if folder.is_file() else folder
    log = home / evaluation_log.LOG_FILE  # published rows have it beside them
    tables = build_tables(read_rows(folder), evaluation_log.read(log))
    out = Path(out) if out is not None else home
    files = ReportFiles(out / "report.md", out / "report.html")
    # The name alone: a report is passed on, and the path would tell about the machine.
    title = folder.resolve().stem if folder.is_file() else folder.resolve().name
    replace_bytes(files.markdown, render_markdown(title, tables).encode())
    replace_bytes(files.html, render_html(title, tables).encode())
    if console is None:
        console = Console()
        if not console.is_terminal:  # a log file has no width; rich would assume 80
            console = Console(width=WIDTH)
    print_tables(console, tables)
    console.print(f"Report: {files.html}", soft_wrap=True, highlight=False, markup=False)
    return files
