"""Writer of published results into Markdown files: tables and a picture."""

from functools import cache
from pathlib import Path

from experiments.config.registry import Registry
from experiments.inference.robustness import read_published_results
from experiments.records.atomic import replace_bytes
from experiments.records.counts import counts
from experiments.records.row import ResultsError
from experiments.records.run_files import read_rows, tables_in
from experiments.records.times import add_times
from experiments.report.evidence import analyse_rows
from experiments.report.picture.svg import picture
from experiments.report.readme import marks
from experiments.report.readme.grids import full_table
from experiments.report.readme.top import top_table
from experiments.report.robustness import markdown_table
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
    """Fill in the marks of a Markdown file and of the `docs/*.md` beside it.

    `<!-- results:NAME -->` … `<!-- /results:NAME -->` mark the published table NAME,
    `results:NAME:top` its selected rows, `picture:NAME` a picture of it, whose files are in `docs`,
    and `robustness` the robustness table.

    Args:
        readme: The Markdown file; nothing outside the marks is changed.
        folder: The published folder, with `NAME.jsonl` for every marked name, or a file in it.
        registry: Registry with the descriptions of the experiments.

    Returns:
        File and kind of content for every pair of marks, in order.

    Raises:
        ResultsError: `readme` has no marks, a mark is unknown or without its partner, a marked
            table does not exist, or two pictures would be written to the same files. Nothing is
            written in this case.
        OSError: As raised by the file system.
    """
    results = _Results(folder.parent if folder.is_file() else folder, registry)
    written = []
    for page in (readme, *sorted((readme.parent / DOCS).glob("*.md"))):
        text = page.read_bytes().decode()
        places = marks.find_places(text, page)
        if page is readme and not places:
            raise ResultsError(
                f"{readme}: no place for a table; put the lines <!-- results:NAME --> and "
                "<!-- /results:NAME --> where the published table NAME should be (other marks: "
                f"{', '.join(marks.KNOWN[1:])})"
            )
        if places:
            filled = marks.fill_places(text, places, results.bodies(page, places))
            results.files[page.resolve()] = filled.encode()
        written += [(page, _WRITTEN[place.kind].format(place.name)) for place in places]
    for file, content in results.files.items():
        if not file.exists() or file.read_bytes() != content:
            replace_bytes(file, content)
    return written


class _Results:
    """Published results as Markdown, with the files to write.

    Attributes:
        files: Content by path.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.files: dict[Path, bytes] = {}
        self._folder = folder
        self._registry = registry
        self._tables = cache(lambda name: _read(folder, name))

    def bodies(self, page: Path, places: list[marks.MarkedPlace]) -> list[str]:
        """Write the Markdown for each place of a page."""
        home = page.absolute().parent
        inside = home.name == DOCS
        docs, link = (home, "") if inside else (home / DOCS, f"{DOCS}/")
        return [self._body(place, docs, link) for place in places]

    def _body(self, place: marks.MarkedPlace, docs: Path, link: str) -> str:
        if place.kind == "robustness":
            return markdown_table(read_published_results(self._folder))
        tables = self._tables(place.name)
        if place.kind == "top":
            return top_table(tables, place.name, self._registry, f"{link}{WHOLE_TABLE}")
        if place.kind == "table":
            return full_table(tables, place.name, self._registry)
        text, files = picture(tables, place.name, link)
        for file, svg in files.items():
            path, content = (docs / file).resolve(), svg.encode()
            if self.files.setdefault(path, content) != content:
                raise ResultsError(
                    f"{path}: the marks ask for pictures of two tables, one of them {place.name}; "
                    "keep one picture"
                )
        return text


def _read(folder: Path, name: str) -> list[Table]:
    """Read the tables of the published NAME, by profile and corpus."""
    path = folder / f"{name}.jsonl"
    if path not in tables_in(folder):
        known = ", ".join(table.stem for table in tables_in(folder)) or "none"
        raise ResultsError(f"{path}: no such table; {folder} has {known}")
    rows = add_times(read_rows(path), path)
    return build_tables(
        rows, counts(rows, folder), lambda done, parts: analyse_rows(done, path, parts)
    )
