"""Selected rows of a published table, over all its protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.config.registry import Registry
from experiments.records.row import Part, ResultsError
from experiments.report.columns import ACCURACY, LOG_LOSS
from experiments.report.facts import LARGEST_CLASS, PROTOCOLS, UNTIMED, is_untimed
from experiments.report.readme.grids import (
    ALWAYS,
    cell,
    describe,
    interval_scope,
    markdown_grid,
    share_cell,
    wrap,
)
from experiments.report.tables import Line, Table
from experiments.statistics.intervals import Interval

ROWS = 10
WITHIN = 2.0  # points of test accuracy below the best: close enough to be compared by cost
_PARTS: dict[str, Part] = {"holdout": "test", "refit": "test_refit"}
_CHEAP = ("parameters", "train_seconds", "latency")
# Heading, key of `tables.COLUMNS`, digits.
_COLUMNS = (
    ("parameters", "parameters", 0),
    ("training s", "train_seconds", 0),
    ("p50 ms", "latency", 1),
)


@dataclass(frozen=True)
class Candidate:
    """Experiment under one protocol.

    Attributes:
        protocol: `holdout` or `refit`.
        line: Its line of the table.
        accuracy: Test accuracy in percent, mean over seeds.
    """

    protocol: str
    line: Line
    accuracy: float

    @property
    def key(self) -> str:
        """Column of its accuracy."""
        return ACCURACY[_PARTS[self.protocol]]

    @property
    def log_loss_key(self) -> str:
        """Column of its log loss."""
        return LOG_LOSS[_PARTS[self.protocol]]

    @property
    def interval(self) -> Interval | None:
        """Interval of its accuracy."""
        return self.line.intervals.get(self.key)


def find_candidates(tables: Sequence[Table], name: str) -> list[Candidate]:
    """List the tested experiments of a published table, by falling test accuracy.

    Claimed rows, which were not run here, are left out.

    Args:
        tables: Tables of each profile and corpus.
        name: Name of the published table, for errors.

    Raises:
        ResultsError: No row was tested, or the rows have several tasks, corpora or profiles.
    """
    candidates = [
        Candidate(protocol, line, value.mean)
        for table in tables
        for line in table.lines
        for protocol, part in _PARTS.items()
        if not line.rows[0].claimed and (value := line.values.get(ACCURACY[part]))
    ]
    if not candidates:
        raise ResultsError(f"table {name} has no tested row; its picture and top rows need one")
    kinds = {(table.title, table.fingerprint) for table in tables if table.lines}
    if len(kinds) > 1:
        seen = "; ".join(sorted(title for title, _ in kinds))
        raise ResultsError(
            f"table {name} has {len(kinds)} tasks, corpora or profiles ({seen}), which are not "
            "comparable; its picture and top rows need a single one"
        )
    return sorted(candidates, key=lambda one: (-one.accuracy, one.line.experiment, one.protocol))


def select_rows(candidates: Sequence[Candidate], rows: int = ROWS) -> list[Candidate]:
    """Select rows that cover families and costs, by falling test accuracy.

    Each experiment counts once, under the protocol of its better accuracy. The best of each family
    is selected, then, of those at most `WITHIN` points below the best, the smallest, the fastest
    to train and the fastest to predict, then the next best, until there are `rows`.

    Args:
        candidates: From `find_candidates`.
        rows: Number of rows; all if there are fewer.
    """
    once = _first(candidates, lambda one: one.line.experiment)
    chosen = _first(once, lambda one: one.line.family)
    good = [one for one in once if once[0].accuracy - one.accuracy <= WITHIN]
    for key in _CHEAP:
        costs = [(value.mean, at) for at, one in enumerate(good) if (value := one.line.values[key])]
        chosen += [good[min(costs)[1]]] if costs else []
    chosen = _first([*chosen, *once], lambda one: one.line.experiment)[:rows]
    return sorted(chosen, key=once.index)


def top_table(tables: Sequence[Table], name: str, registry: Registry, link: str) -> str:
    """Write the selected rows as Markdown, with the rule of selection.

    Args:
        tables: Tables of each profile and corpus.
        name: Name of the published table.
        registry: Registry with the descriptions of the experiments.
        link: Link to the full table.

    Raises:
        ResultsError: No row was tested, or the rows have several tasks, corpora or profiles.
    """
    candidates = find_candidates(tables, name)
    chosen = select_rows(candidates)
    heads = ["experiment", "what it is", "protocol", "test accuracy %", "log loss"]
    heads += [title for title, _, _ in _COLUMNS]
    lines = [heads, ["---", "---", "---", "---:", "---:", *("---:" for _ in _COLUMNS)]]
    for one in chosen:
        cells = [f"`{one.line.experiment}`", describe(one.line, registry), one.protocol]
        cells += [cell(one.line, one.key, 2), cell(one.line, one.log_loss_key, 3)]
        lines.append(cells + [cell(one.line, key, digits) for _, key, digits in _COLUMNS])
    keys = [ACCURACY[part] for part in _PARTS.values()]
    shares = {table.largest_class[k] for table in tables for k in keys if k in table.largest_class}
    if len(shares) == 1:  # both protocols are tested on the same reviews
        lines.append([LARGEST_CLASS, ALWAYS, "–", share_cell(shares.pop(), 2), *["–"] * 4])
    return "\n\n".join(
        [markdown_grid(lines), wrap(_rule(candidates, chosen)), wrap(_units(chosen)), _link(link)]
    )


def _first(candidates: Sequence[Candidate], key: Callable[[Candidate], str]) -> list[Candidate]:
    """Keep the first candidate of each key, in order."""
    first: dict[str, Candidate] = {}
    for one in candidates:
        first.setdefault(key(one), one)
    return list(first.values())


def _rule(candidates: Sequence[Candidate], chosen: Sequence[Candidate]) -> str:
    protocols = sorted({one.protocol for one in chosen})
    explanations = [f"`{name}`: {PROTOCOLS[name]}" for name in protocols if name in PROTOCOLS]
    return (
        f"{len(chosen)} of {len(candidates)} rows: the best of each family, then the smallest, the "
        f"fastest to train and the fastest to predict of those at most {WITHIN:g} points below the "
        "best, then the next best; each experiment once, under the protocol of its better "
        "accuracy." + (f" {'; '.join(explanations)}." if explanations else "")
    )


def _units(chosen: Sequence[Candidate]) -> str:
    intervals = [one.interval for one in chosen if one.interval]
    brackets = (
        f"In brackets the 95% interval over {interval_scope(intervals)}; log"
        if intervals
        else "Log"
    )
    twice = ", of which refit needs two" if any(one.protocol == "refit" for one in chosen) else ""
    untimed = f" {UNTIMED}: beside the run others may have run; the other times are of one alone."
    return (
        f"{brackets} loss is the mean negative logarithm of the probability given to the right "
        f"label, in nats (natural logarithm), training s the time of one fit{twice}, p50 the "
        "median time from one text to its prediction."
        + (untimed if any(map(is_untimed, (r for one in chosen for r in one.line.rows))) else "")
    )


def _link(link: str) -> str:
    return f"All rows, with F1, calibration and significance groups: [{link}]({link})."
