"""Figures of accuracy against cost: training time, latency, size, operations."""

import math
from dataclasses import dataclass
from typing import Any

from experiments.report.columns import ACCURACY, Statistic
from experiments.report.figure import Figure, log_ticks, padded_range
from experiments.report.pareto import pareto_front
from experiments.report.tables import Line, Table

# Key of the column, label of the button, title of the axis, format of a value in the hover text.
AXES = (
    ("train_seconds", "training time", "Training time, s (log scale)", "%{x:,.1f} s"),
    ("latency", "latency", "Latency of one review, median, ms (log scale)", "%{x:.2f} ms"),
    ("size", "size", "Size on disk, MiB (log scale)", "%{x:,.1f} MiB"),
    ("flops", "operations", "Operations per review, MFLOPs (log scale)", "%{x:,.1f} MFLOPs"),
)
# Plotting areas, in pixels, for which names are placed: desktop and phone.
WIDE, NARROW, HEIGHT = 880, 300, 350
CHARACTER, TEXT_HEIGHT, GAP = 6.8, 15, 7
POSITIONS = (
    *("top center", "bottom center", "middle right", "middle left"),
    *("top right", "top left", "bottom right", "bottom left"),
)


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
    cost: Statistic
    accuracy: Statistic


def costs(table: Table) -> list[Cost]:
    """Draw accuracy against each cost that at least two experiments have, on log axes.

    Error bars are the 95% intervals, if the table has them. Test accuracy is drawn, else that of
    the second fit, else validation accuracy.
    """
    keys = [k for k in ACCURACY.values() if any(line.values.get(k) for line in table.lines)]
    accuracy = keys[0] if keys else ACCURACY["val"]
    split = "Validation" if accuracy == ACCURACY["val"] else "Test"
    figures = []
    for key, name, title, form in AXES:
        points = [
            _Point(line, cost, value)
            for line in table.lines
            if (cost := line.values.get(key)) and cost.mean > 0 and (value := line.values[accuracy])
        ]
        if len(points) >= 2:
            leaders = pareto_front([(point.cost.mean, point.accuracy.mean) for point in points])
            names = [points[at].line.experiment for at in leaders]
            figure = _figure(points, leaders, title, f"{split} accuracy, %", form)
            figures.append(Cost(key, name, figure, names))
    return figures


def _figure(
    points: list[_Point], leaders: list[int], title: str, accuracy_title: str, form: str
) -> Figure:
    on_front = [points[at] for at in leaders]
    others = [point for at, point in enumerate(points) if at not in leaders]
    path = {
        "x": [point.cost.mean for point in on_front],
        "y": [point.accuracy.mean for point in on_front],
        "mode": "lines",
        "line": {"shape": "hv", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
        "meta": {"role": "accent"},
    }
    x_range = padded_range([math.log10(point.cost.mean) for point in points])
    y_range = padded_range([point.accuracy.mean for point in points])
    # Leaders first: in little space it is their names that remain.
    places = {}
    for width in (WIDE, NARROW):
        placed = [
            (
                _share(math.log10(point.cost.mean), x_range) * width,
                _share(point.accuracy.mean, y_range) * HEIGHT,
                point.line.experiment,
            )
            for point in on_front + others
        ]
        sides = place_names(placed, width)
        places[width] = dict(zip([name for _, _, name in placed], sides, strict=True))
    groups = [("accent", on_front), ("muted", others)]
    return {
        "data": [path, *(_markers(role, group, places, form) for role, group in groups if group)],
        "layout": {
            "xaxis": {
                "type": "log",
                "range": x_range,
                "title": {"text": title},
                "tickvals": log_ticks(x_range),
            },
            "yaxis": {"range": y_range, "title": {"text": accuracy_title}},
            "showlegend": False,
        },
    }


def place_names(points: list[tuple[float, float, str]], width: float = WIDE) -> list[str | None]:
    """Choose a side for the name of each point so that names cover neither names nor points.

    Args:
        points: x and y in pixels (y upwards) and name, in order of priority.
        width: Width of the plotting area in pixels.

    Returns:
        A Plotly `textposition` for each point; None if no side is free.
    """
    boxes = [(x - GAP / 2, y - GAP / 2, x + GAP / 2, y + GAP / 2) for x, y, _ in points]
    chosen: list[str | None] = []
    for index, (x, y, name) in enumerate(points):
        length = len(name) * CHARACTER
        blocked = boxes[:index] + boxes[index + 1 :]
        chosen.append(None)
        for position in POSITIONS:
            vertical, horizontal = position.split()
            left = x + {"left": -length - GAP, "center": -length / 2, "right": GAP}[horizontal]
            low = (
                y + {"top": GAP, "middle": -TEXT_HEIGHT / 2, "bottom": -TEXT_HEIGHT - GAP}[vertical]
            )
            box = (left, low, left + length, low + TEXT_HEIGHT)
            inside = box[0] >= 0 and box[2] <= width and box[1] >= -GAP
            if inside and not any(_overlap(box, other) for other in blocked):
                chosen[-1] = position
                boxes.append(box)
                break
    return chosen


def _markers(
    role: str, group: list[_Point], places: dict[int, dict[str, str | None]], form: str
) -> dict[str, Any]:
    names = [point.line.experiment for point in group]

    def sides(width: int) -> dict[str, list[str]]:
        return {
            "text": [name if places[width][name] else "" for name in names],
            "textposition": [places[width][name] or "top center" for name in names],
        }

    trace = {
        "x": [point.cost.mean for point in group],
        "y": [point.accuracy.mean for point in group],
        "hovertext": names,
        "mode": "markers+text",
        "marker": {"size": 9},
        **sides(WIDE),
        "cliponaxis": False,
        "hovertemplate": f"<b>%{{hovertext}}</b><br>%{{y:.2f}} %, {form}<extra></extra>",
        "meta": {"role": role, "narrow": sides(NARROW)},
    }
    if any(point.line.interval for point in group):
        above, below = zip(*map(_reach, group), strict=True)
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": above,
            "arrayminus": below,
            "thickness": 1,
            "width": 0,
        }
    return trace


def _reach(point: _Point) -> tuple[float, float]:
    """Length of the interval above and below the accuracy, in points."""
    interval, mean = point.line.interval, point.accuracy.mean
    if interval is None:
        return 0.0, 0.0
    return max(0.0, 100 * interval.high - mean), max(0.0, mean - 100 * interval.low)


def _share(value: float, ends: list[float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])


def _overlap(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
