"""Figures of accuracy against cost: training time, latency, size, operations."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from experiments.report.columns import ACCURACY, Statistic
from experiments.report.facts import order_families
from experiments.report.figure import Figure, family_mark, log_ticks, padded_range
from experiments.report.pareto import pareto_front
from experiments.report.picture.labels import Box, Label, NamedPoint, around, place_labels
from experiments.report.tables import Line, Table

# Key of the column, label of the button, title of the axis, format of a value in the hover text.
AXES = (
    ("train_seconds", "training time", "Training time, s (log scale)", "%{x:,.1f} s"),
    ("latency", "latency", "Latency of one text, median, ms (log scale)", "%{x:.2f} ms"),
    ("size", "size", "Size on disk, MiB (log scale)", "%{x:,.1f} MiB"),
    ("flops", "operations", "Operations per text, MFLOPs (log scale)", "%{x:,.1f} MFLOPs"),
)
# Plotting areas, in pixels, for which names are placed: desktop and phone.
WIDE, NARROW = (880, 400), (300, 330)
_MARK = 6.0  # pixels from the middle of a symbol that no name covers
_ROUNDS = 4


@dataclass(frozen=True)
class Cost:
    """Accuracy against one cost.

    Attributes:
        key: Key of the column.
        name: Label of the button.
        figure: Accuracy against the cost.
        leaders: Experiments on the Pareto front, by rising cost.
    """

    key: str
    name: str
    figure: Figure
    leaders: list[str]


@dataclass(frozen=True)
class _Point:
    line: Line
    number: int  # place in the table
    cost: Statistic
    accuracy: Statistic

    @property
    def exponent(self) -> float:
        return math.log10(self.cost.mean)


def costs(table: Table) -> list[Cost]:
    """Draw accuracy against each cost that at least two experiments have, on log axes.

    Error bars are the 95% intervals, if the table has them. Test accuracy is drawn, else that of
    the second fit, else validation accuracy.
    """
    accuracy = shown_accuracy(table)
    split = "Validation" if accuracy == ACCURACY["val"] else "Test"
    figures = []
    for key, name, title, form in AXES:
        points = cost_points(table, key)
        if len(points) >= 2:
            front = [points[at] for at in _front(points)]
            figure = _figure(points, front, title, f"{split} accuracy, %", form)
            figures.append(Cost(key, name, figure, [point.line.experiment for point in front]))
    return figures


def shown_accuracy(table: Table) -> str:
    """Column of the accuracy that is drawn against costs."""
    keys = [k for k in ACCURACY.values() if any(line.values.get(k) for line in table.lines)]
    return keys[0] if keys else ACCURACY["val"]


def cost_points(table: Table, key: str) -> list[_Point]:
    """Experiments with an accuracy and a cost above 0, in the order of the table."""
    accuracy = shown_accuracy(table)
    return [
        _Point(line, number, cost, value)
        for number, line in enumerate(table.lines, 1)
        if (cost := line.values.get(key)) and cost.mean > 0 and (value := line.values.get(accuracy))
    ]


def cost_front(table: Table, key: str) -> list[_Point]:
    """The Pareto front of accuracy against a cost, by rising cost."""
    points = cost_points(table, key)
    return [points[at] for at in _front(points)]


def _front(points: list[_Point]) -> list[int]:
    return pareto_front([(point.cost.mean, point.accuracy.mean) for point in points])


def _figure(
    points: list[_Point], front: list[_Point], title: str, accuracy_title: str, form: str
) -> Figure:
    path = {
        "x": [point.cost.mean for point in front],
        "y": [point.accuracy.mean for point in front],
        "mode": "lines",
        "line": {"shape": "hv", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": {"role": "rule"},
    }
    x_range = padded_range([point.exponent for point in points])
    y_range = padded_range([end for point in points for end in _ends(point)], 0, 100)
    wide, narrow = (_names(points, front, x_range, y_range, area) for area in (WIDE, NARROW))
    families = order_families(point.line.family for point in points)
    groups = {family: [p for p in points if p.line.family == family] for family in families}
    return {
        "data": [path, *(_markers(family, group, form) for family, group in groups.items())],
        "layout": {
            "xaxis": {
                "type": "log",
                "range": x_range,
                "title": {"text": title},
                "tickvals": log_ticks(x_range),
            },
            "yaxis": {"range": y_range, "title": {"text": accuracy_title}},
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "annotations": wide[0],
            "meta": {"key": wide[1], "narrow": {"annotations": narrow[0], "key": narrow[1]}},
        },
    }


def _names(
    points: list[_Point],
    front: list[_Point],
    x_range: list[float],
    y_range: list[float],
    area: tuple[int, int],
) -> tuple[list[dict[str, Any]], str]:
    """Name every point: as annotations, and the key of those with room for a number or for nothing.

    The names on the front come first: in little space it is these that remain.
    """
    order = front + [point for point in points if point not in front]
    places = [
        (
            _share(point.exponent, x_range) * area[0],
            (1 - _share(point.accuracy.mean, y_range)) * area[1],
        )
        for point in order
    ]
    reaches = [
        (high - low) / 2 * area[1] / (y_range[1] - y_range[0])
        for low, high in (_ends(point) for point in order)
    ]
    texts = [point.line.experiment for point in order]
    # The front: along the accuracy of a point to the cost of the next, and up to it.
    path = [
        box
        for (x, y), (next_x, next_y) in pairwise(places[: len(front)])
        for box in (Box(x, y - 1, next_x, y + 1), Box(next_x - 1, next_y, next_x + 1, y))
    ]
    placed = _place(places, reaches, texts, area, path)
    for _ in range(_ROUNDS):
        lacking = [at for at in range(len(order)) if at not in placed]
        for at in lacking:
            texts[at] = str(order[at].number)
        if not lacking:
            break
        placed = _place(places, reaches, texts, area, path)
    drawn = [_annotation(order[at], label, places[at]) for at, label in sorted(placed.items())]
    numbered = sorted(
        (order[at].number, order[at].line.experiment)
        for at in placed
        if texts[at] == str(order[at].number)
    )
    crowded = [point.line.experiment for at, point in enumerate(order) if at not in placed]
    sentences = []
    if numbered:
        key = ", ".join(f"{number} {name}" for number, name in numbered)
        sentences.append(f"Numbers in the figure, the places in the table: {key}.")
    if crowded:
        sentences.append(f"Without room for a number: {', '.join(crowded)}.")
    return drawn, " ".join(sentences)


def _place(
    places: list[tuple[float, float]],
    reaches: list[float],
    texts: list[str],
    area: tuple[int, int],
    path: list[Box],
) -> dict[int, Label]:
    """Labels by the position of their point; numbers, which are short, are placed first."""
    marks = [around(x, y, _MARK) for x, y in places]
    bars = [
        Box(x - 1, y - reach, x + 1, y + reach)
        for (x, y), reach in zip(places, reaches, strict=True)
    ]
    order = sorted(range(len(texts)), key=lambda at: not texts[at].isdecimal())
    names = [NamedPoint(marks[at], reaches[at], texts[at]) for at in order]
    room = Box(0, -12, area[0], area[1] + 4)
    labels = place_labels(names, [], len(names), marks, bars + path, room)
    found, left = dict[int, Label](), list(order)
    for label in labels:  # in the order of the names, some left out
        at = next(at for at in left if texts[at] == label.text)
        left.remove(at)
        found[at] = label
    return found


def _annotation(point: _Point, label: Label, place: tuple[float, float]) -> dict[str, Any]:
    """Plotly annotation of a point."""
    note: dict[str, Any] = {
        "x": round(point.exponent, 4),
        "y": round(point.accuracy.mean, 3),
        "text": label.text,
        "showarrow": False,
    }
    middle = (label.box.top + label.box.bottom) / 2
    note["xanchor"] = {"start": "left", "middle": "center", "end": "right"}[label.anchor]
    if label.leader is None:
        return note | {"xshift": round(label.x - place[0]), "yshift": round(place[1] - middle)}
    end_x, end_y = label.leader[2:]
    anchor = "middle" if abs(end_y - middle) < 1 else "bottom" if end_y > middle else "top"
    return note | {
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 0.7,
        "standoff": _MARK,
        "ax": round(end_x - place[0]),
        "ay": round(end_y - place[1]),
        "yanchor": anchor,
    }


def _markers(family: str, group: list[_Point], form: str) -> dict[str, Any]:
    role, shape = family_mark(family)
    trace: dict[str, Any] = {
        "x": [point.cost.mean for point in group],
        "y": [point.accuracy.mean for point in group],
        "hovertext": [point.line.experiment for point in group],
        "name": family,
        "mode": "markers",
        "marker": {"size": 9, "symbol": shape},
        "cliponaxis": False,
        "hovertemplate": f"<b>%{{hovertext}}</b><br>%{{y:.2f}} %, {form}<extra>{family}</extra>",
        "meta": {"role": role},
    }
    if any(point.line.interval for point in group):
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [_ends(point)[1] - point.accuracy.mean for point in group],
            "arrayminus": [point.accuracy.mean - _ends(point)[0] for point in group],
            "thickness": 1,
            "width": 0,
        }
    return trace


def _ends(point: _Point) -> tuple[float, float]:
    """Interval in percent; the accuracy twice without one."""
    interval, mean = point.line.interval, point.accuracy.mean
    if interval is None:
        return mean, mean
    return min(mean, 100 * interval.low), max(mean, 100 * interval.high)


def _share(value: float, ends: list[float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])
