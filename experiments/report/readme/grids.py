"""Published tables in Markdown, with the text above and below each."""

import textwrap
from collections.abc import Sequence

from experiments.config.registry import Registry
from experiments.report.facts import PROTOCOLS
from experiments.report.markdown import escape
from experiments.report.tables import Line, Table
from experiments.report.terminal import compact
from experiments.statistics.intervals import Interval

WIDTH = 100
OFFLINE = ("quick", "smoke")  # profiles whose command needs no --root
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


def full_table(tables: Sequence[Table], name: str, registry: Registry) -> str:
    """Write all rows of a published table, in a grid for each of `tables`.

    Args:
        tables: Tables of each protocol, profile and corpus.
        name: Name of the published table, for the command that makes its rows.
        registry: Registry with the descriptions of the experiments.
    """
    return "\n\n".join(
        "\n\n".join([wrap(_about(table)), _grid(table, registry), wrap(_how(table, name))])
        for table in tables
    )


def describe(line: Line, registry: Registry) -> str:
    """Describe an experiment; by its architecture if it is not in the registry."""
    return escape((registry.description(line.experiment) or line.architecture).rstrip("."))


def markdown_grid(rows: Sequence[Sequence[str]]) -> str:
    """Write cells as a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


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
        seeds = ", ".join(map(str, line.seeds))
        cells = [f"`{line.experiment}`", describe(line, registry), seeds]
        lines.append(cells + [cell(line, key, digits) for _, key, digits in _COLUMNS])
    return markdown_grid(lines)


def cell(line: Line, key: str, digits: int) -> str:
    """Format a value: accuracies with spread and interval, counts in few characters."""
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
    if line.interval:  # one digit, since half its width is some tenths of a point
        text += f" [{100 * line.interval.low:.1f}, {100 * line.interval.high:.1f}]"
    return text


def _how(table: Table, name: str) -> str:
    """Explain spread, intervals and letters, with the command that makes the rows."""
    sentences = []
    if any(len(line.seeds) > 1 for line in table.lines):
        sentences.append("Means over the seeds, ± their sample standard deviation.")
    if intervals := [line.interval for line in table.lines if line.interval]:
        sentences.append(
            f"In brackets the 95% interval over {interval_scope(intervals)}. Experiments that "
            "share a letter do not differ significantly (5%, Holm-corrected over all pairs)."
        )
    for fact in ("Tested", "Tried on validation"):
        if text := dict(table.facts).get(fact):
            sentences.append(f"{fact}: {escape(text)}.")
    seeds = sorted({seed for line in table.lines for seed in line.seeds})
    command = f"lit-sentiment benchmark NAME --profile {table.profile}"
    command += "" if table.profile in OFFLINE else " --root DIR"
    command += f" --seeds {' '.join(map(str, seeds))} --name {name}"
    command += f" --run.protocol {table.protocol}"  # the file of an experiment may set another one
    return " ".join([*sentences, f"Each row: `{command}`."])


def interval_scope(intervals: Sequence[Interval]) -> str:
    """Name the source of variation that intervals cover: reviews, or reviews and seeds."""
    if all(one.reviews_only for one in intervals):
        return "reviews; the variation over seeds would add to it"
    alone = any(one.reviews_only for one in intervals)
    return "reviews and seeds" + (", over reviews alone for a single seed" if alone else "")


def wrap(text: str) -> str:
    """Wrap a paragraph."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
