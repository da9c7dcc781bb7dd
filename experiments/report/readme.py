"""The results table of a README: written between two marks, the rest left as it is."""

import re
import textwrap
from pathlib import Path

from experiments.config.registry import Registry
from experiments.records import test_log
from experiments.records.atomic import replace_bytes
from experiments.records.row import ResultsError
from experiments.records.run_files import read_rows, tables_in
from experiments.report.evidence import statistics
from experiments.report.facts import PROTOCOLS
from experiments.report.markdown import escape
from experiments.report.tables import Line, Table, build_tables
from experiments.report.terminal import compact

WIDTH = 100
OFFLINE = ("quick", "smoke")  # profiles whose command needs no --root
_MARK = re.compile(r"<!-- (/?)results:([\w.+-]+) -->")
# Heading, key of `tables.COLUMNS`, digits.
_GROUP = "group"
_COLUMNS = (
    ("test accuracy %", "test_accuracy", 2),
    (_GROUP, _GROUP, 0),
    ("F1 %", "f1", 2),
    ("log loss", "log_loss", 3),
    ("ECE %", "ece", 1),
    ("val accuracy %", "val_accuracy", 2),
    ("parameters", "parameters", 0),
    ("training s", "train_seconds", 0),
    ("p50 ms", "latency", 1),
)


def write_readme(readme: Path, folder: Path, registry: Registry) -> list[str]:
    """Writes the published table NAME between `<!-- results:NAME -->` and `<!-- /results:NAME -->`.

    Args:
        readme: The Markdown file; nothing outside the marks is touched.
        folder: The published folder, with `NAME.jsonl` for every marked name, or a file in it.
        registry: Says what each experiment is.

    Returns:
        The names of the tables that were written.

    Raises:
        ResultsError: No marks, marks that do not pair up, or no table of a marked name.
        OSError: As raised by the file system.
    """
    folder = folder.parent if folder.is_file() else folder
    before = readme.read_bytes().decode()
    newline = "\r\n" if "\r\n" in before else "\n"
    after, written, position = [], [], 0
    for name, start, end in _places(before, readme):
        body = newline.join(["", "", *render(folder, name, registry).splitlines(), "", ""])
        after += [before[position:start], body]
        position = end
        written.append(name)
    after.append(before[position:])
    if (content := "".join(after)) != before:
        replace_bytes(readme.resolve(), content.encode())
    return written


def render(folder: Path, name: str, registry: Registry) -> str:
    """One published table as Markdown: a grid for each protocol, profile and corpus in it.

    Raises:
        ResultsError: there is no such table.
    """
    path = folder / f"{name}.jsonl"
    if path not in tables_in(folder):
        known = ", ".join(table.stem for table in tables_in(folder)) or "none"
        raise ResultsError(f"{path}: no such table; {folder} has {known}")
    log = test_log.read(folder / test_log.LOG_FILE)
    tables = build_tables(read_rows(path), log, lambda done: statistics(done, path))
    return "\n\n".join(
        "\n\n".join([_fill(_about(table)), _grid(table, registry), _fill(_how(table, name))])
        for table in tables
    )


def _places(text: str, readme: Path) -> list[tuple[str, int, int]]:
    """Name, start and end of what stands between each pair of marks."""
    marks = list(_MARK.finditer(text))
    if not marks:
        raise ResultsError(
            f"{readme}: no place for a table; put the lines <!-- results:NAME --> and "
            "<!-- /results:NAME --> where the published table NAME belongs"
        )
    places = []
    opening: re.Match[str] | None = None
    for mark in marks:
        if bool(mark[1]) != (opening is not None) or (opening and opening[2] != mark[2]):
            raise _unpaired(mark, text, readme)
        if opening is not None:
            places.append((mark[2], opening.end(), mark.start()))
        opening = None if opening is not None else mark
    if opening is not None:
        raise _unpaired(opening, text, readme)
    return places


def _unpaired(mark: re.Match[str], text: str, readme: Path) -> ResultsError:
    line = text.count("\n", 0, mark.start()) + 1
    return ResultsError(
        f"{readme}:{line}: {mark[0]} does not pair up; every <!-- results:NAME --> is followed by "
        "its <!-- /results:NAME -->"
    )


def _about(table: Table) -> str:
    facts = dict(table.facts)
    protocol = f"Protocol `{table.protocol}`"
    if table.protocol in PROTOCOLS:
        protocol += f": {PROTOCOLS[table.protocol]}"
    corpus = f"Corpus {escape(facts['Corpus'])}: {facts['Evaluated on']}"
    machine = facts.get("Machine", "") + f"; precision {facts['Precision']}"
    parts = [corpus, protocol, escape(machine), *map(escape, table.notes)]
    return " ".join(part.rstrip(".") + "." for part in parts if part)


def _grid(table: Table, registry: Registry) -> str:
    heads = ["experiment", "what", "seeds", *(title for title, _, _ in _COLUMNS)]
    rules = ("---" if key == _GROUP else "---:" for _, key, _ in _COLUMNS)
    lines = [heads, ["---", "---", "---", *rules]]
    for line in table.lines:
        what = registry.description(line.experiment) or line.architecture
        seeds = ", ".join(map(str, line.seeds))
        cells = [f"`{line.experiment}`", escape(what.rstrip(".")), seeds]
        lines.append(cells + [_cell(line, key, digits) for _, key, digits in _COLUMNS])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(line: Line, key: str, digits: int) -> str:
    if key == _GROUP:
        return line.group or "–"
    value = line.values[key]
    if value is None:
        return "–"
    if key == "parameters":
        return compact(value.mean)
    text = f"{value.mean:,.{digits}f}"
    if key != "test_accuracy":
        return text
    text += "" if value.sd is None else f" ± {value.sd:.{digits}f}"
    if line.interval:  # one digit: half a width is some tenths of a point
        text += f" [{100 * line.interval.low:.1f}, {100 * line.interval.high:.1f}]"
    return text


def _how(table: Table, name: str) -> str:
    """What the numbers are worth, and the command that makes them."""
    sentences = []
    if any(len(line.seeds) > 1 for line in table.lines):
        sentences.append("Means over the seeds, ± their sample standard deviation.")
    if intervals := [line.interval for line in table.lines if line.interval]:
        over = "reviews and seeds"
        if all(one.reviews_only for one in intervals):
            over = "reviews; another seed would add to it"
        elif any(one.reviews_only for one in intervals):
            over += ", of reviews alone where there is one seed"
        sentences.append(
            f"In brackets the 95% interval over {over}. Experiments that share a letter do not "
            "differ significantly (5%, Holm-corrected over all pairs)."
        )
    if told := dict(table.facts).get("Tested"):
        sentences.append(f"Tested: {escape(told)}.")
    seeds = sorted({seed for line in table.lines for seed in line.seeds})
    command = f"lit-sentiment benchmark NAME --profile {table.profile}"
    command += "" if table.profile in OFFLINE else " --root DIR"
    command += f" --seeds {' '.join(map(str, seeds))} --name {name}"
    command += f" --run.protocol {table.protocol}"  # an experiment's file may say another
    return " ".join([*sentences, f"Each row: `{command}`."])


def _fill(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
