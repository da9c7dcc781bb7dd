"""Published tables in Markdown, with the text above and below each."""

import textwrap
from collections.abc import Sequence

from experiments.config.registry import Registry
from experiments.report.facts import LARGEST_CLASS, UNTIMED, is_untimed
from experiments.report.markdown import escape, explain_ranks, explain_untested, rank_text
from experiments.report.tables import Line, Table
from experiments.report.terminal import compact
from experiments.statistics.intervals import Interval

WIDTH = 100
ALWAYS = "Always the most frequent class, whatever the text"
OFFLINE = ("quick", "smoke")  # profiles whose command needs no --root
# Heading, key of `tables.COLUMNS`, digits.
_GROUP, _RANK = "group", "rank"
_TIMES = ("train_seconds", "latency")
_WITH_INTERVAL = ("test_accuracy", "refit_accuracy", "test_per", "test_wer", "tag_f1")
_COLUMNS = (
    ("test accuracy %", "test_accuracy", 2),
    (_GROUP, f"{_GROUP} test_accuracy", 0),
    (_RANK, f"{_RANK} test_accuracy", 0),
    ("refit %", "refit_accuracy", 2),
    (_GROUP, f"{_GROUP} refit_accuracy", 0),
    (_RANK, f"{_RANK} refit_accuracy", 0),
    ("F1 %", "f1", 2),
    ("log loss", "log_loss", 3),
    ("ECE %", "ece", 1),
    ("MAE", "mae", 2),
    ("val accuracy %", "val_accuracy", 2),
    ("PER %", "test_per", 2),
    ("WER %", "test_wer", 2),
    ("F1 %", "tag_f1", 2),
    ("comma", "f1_comma", 1),
    ("period", "f1_period", 1),
    ("question mark", "f1_question", 1),
    ("capitals", "f1_capitals", 1),
    ("parameters", "parameters", 0),
    ("training s", "train_seconds", 0),
    ("p50 ms", "latency", 1),
    ("looks", "looks", 0),
    ("trials", "trials", 0),
)


def full_table(tables: Sequence[Table], name: str, registry: Registry) -> str:
    """Write all rows of a published table, in a grid for each of `tables`.

    Args:
        tables: Tables of each profile and corpus.
        name: Name of the published table, for the command that makes its rows.
        registry: Registry with the descriptions of the experiments.
    """
    return "\n\n".join(
        "\n\n".join([wrap(_about(table)), _grid(table, registry), wrap(_how(table, name))])
        for table in tables
    )


def describe(line: Line, registry: Registry) -> str:
    """Describe an experiment; without an entry in the registry by its members or architecture."""
    if members := line.rows[0].members:
        names = " and ".join(f"`{member}`" for member in members)
        return f"The sum of the log-probabilities of {names}, with weights fitted on validation"
    return escape((registry.description(line.experiment) or line.architecture).rstrip("."))


def name_cell(line: Line) -> str:
    """Name of an experiment, with its mark outside the code."""
    return f"`{line.experiment}`" + line.label.removeprefix(line.experiment)


def markdown_grid(rows: Sequence[Sequence[str]]) -> str:
    """Write cells as a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _about(table: Table) -> str:
    facts = dict(table.facts)
    task = f"Task `{table.task}`" if table.task else ""
    protocol = f"Protocols: {facts['Protocol']}" if "Protocol" in facts else ""
    corpus = f"Corpus {escape(facts['Corpus'])}: {facts['Evaluated on']}"
    precision = f"precision {facts['Precision']}" if "Precision" in facts else ""
    machine = "; ".join(filter(None, (facts.get("Machine"), precision)))
    parts = [task, corpus, escape(protocol), escape(machine), *map(escape, table.notes)]
    return " ".join(part.rstrip(".") + "." for part in parts if part)


def _grid(table: Table, registry: Registry) -> str:
    columns = [one for one in _COLUMNS if _is_shown(table, one[1])]
    heads = ["experiment", "what", "track", "seeds", *(title for title, _, _ in columns)]
    rules = ("---" if title in (_GROUP, _RANK) else "---:" for title, _, _ in columns)
    lines = [heads, ["---", "---", "---", "---", *rules]]
    for line in table.lines:
        seeds = ", ".join(map(str, line.seeds))
        track = " / ".join(dict.fromkeys(row.track for row in line.rows))
        cells = [name_cell(line), describe(line, registry), track, seeds]
        lines.append(cells + [cell(line, key, digits) for _, key, digits in columns])
    if table.largest_class:
        shares = [share_cell(table.largest_class.get(key), digits) for _, key, digits in columns]
        lines.append([LARGEST_CLASS, ALWAYS, "–", "–", *shares])
    return markdown_grid(lines)


def share_cell(percent: float | None, digits: int) -> str:
    """Format the accuracy of always naming the largest class."""
    return "–" if percent is None else f"{percent:.{digits}f}"


def _is_shown(table: Table, key: str) -> bool:
    return any(cell(line, key, 0) != "–" for line in table.lines)


def cell(line: Line, key: str, digits: int) -> str:
    """Format a value: accuracies with spread and interval, counts in few characters."""
    what, _, accuracy = key.rpartition(" ")
    if what == _GROUP:
        return line.groups.get(accuracy) or "–"
    if what == _RANK:
        return rank_text(line.ranks.get(accuracy))
    value = line.values.get(key)
    if value is None:
        return "–"
    if key == "parameters":
        return compact(value.mean)
    text = f"{value.mean:,.{digits}f}"
    some = f" ({value.n} of {len(line.seeds)} seeds)" if value.n < len(line.seeds) else ""
    if key in _TIMES and any(map(is_untimed, line.rows)):
        text += UNTIMED
    if key not in _WITH_INTERVAL:
        return text + some
    text += "" if value.sd is None else f" ± {value.sd:.{digits}f}"
    if interval := line.intervals.get(key):  # one digit: half its width is some tenths of a point
        text += f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return text + some


def _how(table: Table, name: str) -> str:
    """Explain spread, intervals and letters, with the command that makes the rows."""
    sentences = []
    if any(len(line.seeds) > 1 for line in table.lines):
        sentences.append("Means over the seeds, ± their sample standard deviation.")
    if table.intervals:
        scope = interval_scope(table.intervals)
        scope = scope if table.problem == "classification" else scope.replace("reviews", "texts")
        sentences.append(f"In brackets the 95% interval over {scope}.")
        if any(line.groups for line in table.lines):
            sentences.append(
                "Experiments that share a letter do not differ significantly (5%, Holm-corrected "
                f"over all pairs).{explain_ranks(table)}{explain_untested(table)}"
            )
    for fact in ("Tested", "Tried on validation"):
        if text := dict(table.facts).get(fact):
            sentences.append(f"{fact}: {escape(text)}.")
    own = [row for line in table.lines for row in line.rows if not (row.claimed or row.members)]
    if not own:
        return " ".join(sentences)
    seeds = sorted({row.seed for row in own})
    command = f"lit-sentiment benchmark NAME --profile {table.profile}"
    command += "" if table.profile in OFFLINE else " --root DIR"
    command += f" --seeds {' '.join(map(str, seeds))} --name {name}"
    protocols = sorted({row.protocol for row in own})
    # The file of an experiment may set another one.
    command += f" --run.protocol {protocols[0] if len(protocols) == 1 else 'PROTOCOL'}"
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
