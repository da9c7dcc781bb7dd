"""The most telling rows of a published table, over all its protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.config.registry import Registry
from experiments.records.row import ResultsError
from experiments.report.facts import PROTOCOLS
from experiments.report.readme.grids import cell, fill, grid, over, what
from experiments.report.tables import Line, Table

ROWS = 10
WITHIN = 2.0  # points of test accuracy below the best: good enough to ask what it costs
_CHEAP = ("parameters", "train_seconds", "latency")
# Heading, key of `tables.COLUMNS`, digits.
_COLUMNS = (
    ("test accuracy %", "test_accuracy", 2),
    ("log loss", "log_loss", 3),
    ("parameters", "parameters", 0),
    ("training s", "train_seconds", 0),
    ("p50 ms", "latency", 1),
)


@dataclass(frozen=True)
class Entrant:
    """An experiment under one protocol.

    Attributes:
        protocol: `holdout` or `refit`.
        line: Its line in the table of that protocol.
        accuracy: Test accuracy in percent, the mean over seeds.
    """

    protocol: str
    line: Line
    accuracy: float


def entrants(tables: Sequence[Table], name: str) -> list[Entrant]:
    """All tested experiments of a published table, by falling test accuracy.

    Args:
        tables: One for each protocol.
        name: Of the published table, for errors.

    Raises:
        ResultsError: No row was tested, or the rows are of several corpora or profiles.
    """
    found = [
        Entrant(table.protocol, line, value.mean)
        for table in tables
        for line in table.lines
        if (value := line.values["test_accuracy"])
    ]
    if not found:
        raise ResultsError(f"table {name} has no tested row; its picture and top rows need one")
    kinds = {(table.corpus, table.fingerprint, table.profile) for table in tables if table.lines}
    if len(kinds) > 1:
        seen = ", ".join(sorted(f"{corpus} under {profile}" for corpus, _, profile in kinds))
        raise ResultsError(
            f"table {name} has {len(kinds)} corpora or profiles ({seen}), which do not compare; "
            "its picture and top rows need one"
        )
    return sorted(found, key=lambda one: (-one.accuracy, one.line.experiment, one.protocol))


def telling(found: Sequence[Entrant], rows: int = ROWS) -> list[Entrant]:
    """Choose rows that show the range of what there is, by falling test accuracy.

    Each experiment counts once, under the protocol of its better accuracy. Chosen are the best of
    each family, then the smallest, the fastest to train and the fastest to answer of those at most
    `WITHIN` points below the best, then the next best, until there are `rows`.

    Args:
        found: From `entrants`.
        rows: How many to choose; all where there are fewer.
    """
    once = _first(found, lambda one: one.line.experiment)
    chosen = _first(once, lambda one: one.line.family)
    good = [one for one in once if once[0].accuracy - one.accuracy <= WITHIN]
    for key in _CHEAP:
        costs = [(value.mean, at) for at, one in enumerate(good) if (value := one.line.values[key])]
        chosen += [good[min(costs)[1]]] if costs else []
    chosen = _first([*chosen, *once], lambda one: one.line.experiment)[:rows]
    return sorted(chosen, key=once.index)


def top(tables: Sequence[Table], name: str, registry: Registry, link: str) -> str:
    """Write the most telling rows as Markdown, with how they were chosen.

    Args:
        tables: One for each protocol.
        name: Of the published table.
        registry: Says what each experiment is.
        link: Where the whole table stands.

    Raises:
        ResultsError: No row was tested, or the rows are of several corpora or profiles.
    """
    found = entrants(tables, name)
    chosen = telling(found)
    heads = ["experiment", "what it is", "protocol", *(title for title, _, _ in _COLUMNS)]
    lines = [heads, ["---", "---", "---", *("---:" for _ in _COLUMNS)]]
    for one in chosen:
        cells = [f"`{one.line.experiment}`", what(one.line, registry), one.protocol]
        lines.append(cells + [cell(one.line, key, digits) for _, key, digits in _COLUMNS])
    return "\n\n".join([grid(lines), fill(_rule(found, chosen)), fill(_units(chosen)), _link(link)])


def _first(found: Sequence[Entrant], key: Callable[[Entrant], str]) -> list[Entrant]:
    """The first of each key, in order."""
    kept: dict[str, Entrant] = {}
    for one in found:
        kept.setdefault(key(one), one)
    return list(kept.values())


def _rule(found: Sequence[Entrant], chosen: Sequence[Entrant]) -> str:
    protocols = sorted({one.protocol for one in chosen})
    told = [f"`{name}`: {PROTOCOLS[name]}" for name in protocols if name in PROTOCOLS]
    return (
        f"{len(chosen)} of {len(found)} rows: the best of each family, then the smallest, the "
        f"fastest to train and the fastest to answer of those at most {WITHIN:g} points below the "
        "best, then the next best; each experiment once, under the protocol of its better "
        "accuracy." + (f" {'; '.join(told)}." if told else "")
    )


def _units(chosen: Sequence[Entrant]) -> str:
    intervals = [one.line.interval for one in chosen if one.line.interval]
    brackets = f"In brackets the 95% interval over {over(intervals)}; log" if intervals else "Log"
    return (
        f"{brackets} loss is the mean negative logarithm of the probability given to the right "
        "label, in nats (natural logarithm), p50 the median time from one text to its answer."
    )


def _link(link: str) -> str:
    return f"All rows, with F1, calibration and significance groups: [{link}]({link})."
