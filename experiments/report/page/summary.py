"""First sentences of a table: the best, the cheapest, and what cannot be told apart."""

from __future__ import annotations

from experiments.report.columns import ACCURACY, MAIN
from experiments.report.comparison import compared
from experiments.report.costs import cost_front, shown_accuracy
from experiments.report.tables import Line, Table

_NAMED = 6  # names in a sentence, before it counts the others
_NEAR = 1.0  # points below the best that count as nearly as good


def summarise(table: Table, noun: str = "texts") -> list[str]:
    """Write the sentences; none for a table without results.

    Args:
        table: The table, with its analysis if there are predictions.
        noun: What the rows of the corpus are, such as `reviews`.
    """
    if (leading := _leading(table)) is not None:
        return [leading]
    key = table.accuracy_key or shown_accuracy(table)
    lines = [line for line in table.lines if line.values.get(key)]
    if not lines:
        return []
    best = max(lines, key=lambda line: _accuracy(line, key))
    sentences = [_best(table, best, key, noun)]
    if len(lines) > 1:
        sentences += [_apart(table, best), _cheapest(table, best, key)]
    return [sentence for sentence in sentences if sentence]


_FIGURES = {
    "language modelling": ("perplexity", "", False),
    "transcription": ("phone error rate", "%", False),
    "tagging": ("F1", "%", True),
}
"""Main figure of the problems without accuracies, its unit, and whether a higher one is better."""


def _leading(table: Table) -> str | None:
    """Name the best perplexity, error rate or F1; None for a table of classifiers."""
    if table.problem not in _FIGURES:
        return None
    figure, unit, high = _FIGURES[table.problem]
    for key in MAIN[table.problem].values():
        found = [(value.mean, line) for line in table.lines if (value := line.values.get(key))]
        if found:
            top, best = (max if high else min)(found, key=lambda one: one[0])
            text = f"{best.experiment} has "
            text += f"the {'highest' if high else 'lowest'} " if len(found) > 1 else "a "
            text += f"{figure}, " if len(found) > 1 else f"{figure} of "
            text += f"{top:,.1f}{unit}"
            if interval := best.intervals.get(key):
                scale = 100 if unit == "%" else 1
                low, end = (scale * one for one in (interval.low, interval.high))
                text += f" (95% interval {low:,.1f}{unit} to {end:,.1f}{unit})"
            return f"{text}, on {'validation' if key.startswith('val') else 'held-out'} texts."
    return None


def _best(table: Table, best: Line, key: str, noun: str) -> str:
    part = "validation" if key == ACCURACY["val"] else "test"
    verb = "is the most accurate" if len(table.lines) > 1 else "is the only experiment"
    text = f"{best.experiment} {verb}: {_accuracy(best, key):.2f}% of the {part} {noun}"
    if interval := best.intervals.get(key):
        text += f" (95% interval {100 * interval.low:.1f} to {100 * interval.high:.1f})"
    if part == "validation":
        return f"{text}; nothing was tested."
    refit = ACCURACY["test_refit"]
    again = [line for line in table.lines if line.values.get(refit)]
    if key == refit:
        return f"{text}, trained once more on all of train."
    if again:
        top = max(again, key=lambda line: _accuracy(line, refit))
        who = "it has" if top is best else f"{top.experiment} has the most,"
        text += f"; trained once more on all of train {who} {_accuracy(top, refit):.2f}%"
    return f"{text}."


def _cheapest(table: Table, best: Line, key: str) -> str:
    front = cost_front(table, "train_seconds")
    if not front or key != shown_accuracy(table):
        return ""
    first = front[0]
    if first.line is best:
        return f"No other is faster to train: it takes {_seconds(first.cost.mean)}."
    shown = f"{first.line.experiment} ({_seconds(first.cost.mean)}, {first.accuracy.mean:.2f}%)"
    text = f"Cheapest on the front of accuracy against training time: {shown}"
    # The best may be a claimed row, whose cost nobody knows.
    least = _accuracy(best, key) - _NEAR
    near = next((point for point in front if point.accuracy.mean >= least), first)
    if near is not first and near.line is not best:
        what = f"{near.line.experiment} ({_seconds(near.cost.mean)}, {near.accuracy.mean:.2f}%)"
        text += f"; within {_NEAR:g} point of the best: {what}"
    return f"{text}."


def _apart(table: Table, best: Line) -> str:
    analysis = table.analysis
    if analysis is None:
        return ""
    names = compared(table)
    first = best.experiment
    text = ""
    if first not in names:
        text = f"What {first} is better than is not known: another seed would change its accuracy"
        if len(names) < 2:
            return f"{text}."
        first = next(name for name in analysis.order if name in names)
        text += f"; of the {len(names)} experiments that are tested, {first} is the best: "
    same = [
        ({one.first, one.second} - {first}).pop()
        for one in analysis.differences
        if first in (one.first, one.second) and not (one.different or one.reviews_only)
    ]
    if same:
        text += f"it cannot be told apart from {_listed(same)} (5%, Holm-corrected)"
    elif len(names) > 1:
        others = f"the {len(names) - 1} others" if len(names) > 2 else "the other"
        text += f"it is significantly better than {others} (5%, Holm-corrected)"
    else:
        text += "it is not compared with the others, because they have one seed each"
    untested = [name for name in analysis.untested if name != best.experiment]
    if untested and first == best.experiment and len(names) > 1:
        text += f"; {len(untested)} with one seed {'are' if untested[1:] else 'is'} not tested"
    return f"{text[:1].upper()}{text[1:]}."


def _accuracy(line: Line, key: str) -> float:
    value = line.values.get(key)
    return value.mean if value else -1.0


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 9.95 else f"{value:.1f} s"


def _listed(names: list[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])
