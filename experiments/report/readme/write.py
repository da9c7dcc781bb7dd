"""What the program writes into Markdown files: tables and a picture of the published results."""

from functools import cache
from pathlib import Path

from experiments.config.registry import Registry
from experiments.inference.robustness import read_published
from experiments.records import test_log
from experiments.records.atomic import replace_bytes
from experiments.records.row import ResultsError
from experiments.records.run_files import read_rows, tables_in
from experiments.report.evidence import statistics
from experiments.report.picture.svg import picture
from experiments.report.readme import marks
from experiments.report.readme.grids import whole
from experiments.report.readme.top import top
from experiments.report.robustness import markdown
from experiments.report.tables import Table, build_tables

DOCS = "docs"
WHOLE_TABLE = "results.md"
_WRITTEN = {
    "table": "table {}",
    "top": "top rows of {}",
    "picture": "picture {}",
    "robustness": "table {}",
}


def write_readme(readme: Path, folder: Path, registry: Registry) -> list[tuple[Path, str]]:
    """Write between the marks of a Markdown file, and of the `docs/*.md` beside it.

    `<!-- results:NAME -->` … `<!-- /results:NAME -->` get the published table NAME,
    `results:NAME:top` its most telling rows, `picture:NAME` a picture of it, whose files lie in
    `docs`, and `robustness` the table of that name.

    Args:
        readme: The Markdown file; nothing outside the marks is touched.
        folder: The published folder, with `NAME.jsonl` for every marked name, or a file in it.
        registry: Says what each experiment is.

    Returns:
        The file and the content of every pair of marks, in order.

    Raises:
        ResultsError: No marks in `readme`, unknown ones or some that do not pair up, no table of
            a marked name, or two pictures for the same files. Nothing is written then.
        OSError: As raised by the file system.
    """
    results = _Results(folder.parent if folder.is_file() else folder, registry)
    written = []
    for page in (readme, *sorted((readme.parent / DOCS).glob("*.md"))):
        text = page.read_bytes().decode()
        found = marks.places(text, page)
        if page is readme and not found:
            raise ResultsError(
                f"{readme}: no place for a table; put the lines <!-- results:NAME --> and "
                "<!-- /results:NAME --> where the published table NAME belongs (other marks: "
                f"{', '.join(marks.KNOWN[1:])})"
            )
        if found:
            filled = marks.fill(text, found, results.bodies(page, found))
            results.files[page.resolve()] = filled.encode()
        written += [(page, _WRITTEN[place.kind].format(place.name)) for place in found]
    for file, content in results.files.items():
        if not file.exists() or file.read_bytes() != content:
            replace_bytes(file, content)
    return written


class _Results:
    """The published results as Markdown, and the files that belong to it.

    Attributes:
        files: What is to be written, by path.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.files: dict[Path, bytes] = {}
        self._folder = folder
        self._registry = registry
        self._tables = cache(lambda name: _read(folder, name))

    def bodies(self, page: Path, found: list[marks.Place]) -> list[str]:
        """The Markdown for each place of a page."""
        home = page.absolute().parent
        inside = home.name == DOCS
        docs, link = (home, "") if inside else (home / DOCS, f"{DOCS}/")
        return [self._body(place, docs, link) for place in found]

    def _body(self, place: marks.Place, docs: Path, link: str) -> str:
        if place.kind == "robustness":
            return markdown(read_published(self._folder))
        tables = self._tables(place.name)
        if place.kind == "top":
            return top(tables, place.name, self._registry, f"{link}{WHOLE_TABLE}")
        if place.kind == "table":
            return whole(tables, place.name, self._registry)
        text, files = picture(tables, place.name, link)
        for file, svg in files.items():
            path, content = (docs / file).resolve(), svg.encode()
            if self.files.setdefault(path, content) != content:
                raise ResultsError(
                    f"{path}: the marks ask for pictures of two tables, one of them {place.name}; "
                    "the files hold one"
                )
        return text


def _read(folder: Path, name: str) -> list[Table]:
    """The tables of the published NAME, one for each protocol, profile and corpus in it."""
    path = folder / f"{name}.jsonl"
    if path not in tables_in(folder):
        known = ", ".join(table.stem for table in tables_in(folder)) or "none"
        raise ResultsError(f"{path}: no such table; {folder} has {known}")
    log = test_log.read(folder / test_log.LOG_FILE)
    return build_tables(read_rows(path), log, lambda done: statistics(done, path))
