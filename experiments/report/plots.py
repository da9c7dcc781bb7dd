"""Figures of the report as plain Plotly dicts; the page draws and colours them.

Colours are left to the page, which knows whether it is light or dark: a trace's `meta` names the
role of its colour.
"""

import math
from dataclasses import dataclass
from typing import Any

from experiments.report.tables import Line, Statistic, Table

Figure = dict[str, Any]

# Size of the plotting area for which names are placed, and of a character, in pixels.
WIDTH, HEIGHT, CHARACTER, TEXT_HEIGHT, GAP = 880, 350, 6.8, 15, 7
POSITIONS = (
    *("top center", "bottom center", "middle right", "middle left"),
    *("top right", "top left", "bottom right", "bottom left"),
)


@dataclass(frozen=True)
class Curve:
    """Learning curves of one experiment.

    Attributes:
        experiment: Its name.
        figure: Validation accuracy above validation log loss, one trace for each seed.
    """

    experiment: str
    figure: Figure


def tradeoff(table: Table) -> Figure | None:
    """Accuracy against training time (log axis), with a line along the best trade-offs.

    Error bars span one sample standard deviation and exist only where there are two seeds or more.
    Test accuracy is drawn; where no experiment of the table was tested, validation accuracy.

    Returns:
        The figure, or None where fewer than two experiments have a time and an accuracy.
    """
    tested = any(line.values["test_accuracy"] for line in table.lines)
    key, title = ("test_accuracy", "Test") if tested else ("val_accuracy", "Validation")
    points: list[tuple[float, Statistic, Statistic, Line]] = []
    for line in table.lines:
        seconds, accuracy = line.values["train_seconds"], line.values[key]
        if seconds and accuracy and seconds.mean > 0:
            points.append((seconds.mean, seconds, accuracy, line))
    if len(points) < 2:
        return None
    points.sort(key=lambda point: (point[0], -point[2].mean))
    leaders, top = [], float("-inf")
    for point in points:
        if point[2].mean > top:
            top = point[2].mean
            leaders.append(point)
    others = [point for point in points if point not in leaders]
    path = {
        "x": [point[0] for point in leaders],
        "y": [point[2].mean for point in leaders],
        "mode": "lines",
        "line": {"shape": "hv", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
        "meta": "accent",
    }
    log_range = _range([math.log10(point[0]) for point in points])
    accuracy_range = _range([point[2].mean for point in points])
    # Leaders first: where space is short, theirs are the names to keep.
    ordered = leaders + others
    places = dict(
        zip(
            (point[3].experiment for point in ordered),
            place_names(
                [
                    (
                        _share(math.log10(point[0]), log_range) * WIDTH,
                        _share(point[2].mean, accuracy_range) * HEIGHT,
                        point[3].experiment,
                    )
                    for point in ordered
                ]
            ),
            strict=True,
        )
    )
    groups = [("accent", leaders), ("muted", others)]
    return {
        "data": [path, *(_markers(role, group, places) for role, group in groups if group)],
        "layout": {
            "xaxis": {
                "type": "log",
                "range": log_range,
                "title": {"text": "Training time, s (log scale)"},
                "tickvals": _log_ticks(log_range),
            },
            "yaxis": {"range": accuracy_range, "title": {"text": f"{title} accuracy, %"}},
            "showlegend": False,
        },
    }


def place_names(points: list[tuple[float, float, str]]) -> list[str | None]:
    """Choose a side for the name of each point so that names cover neither names nor points.

    Args:
        points: x and y in pixels (y upwards) and name; the first ones choose first.

    Returns:
        For each a Plotly `textposition`, or None where no side is free.
    """
    taken = [(x - GAP / 2, y - GAP / 2, x + GAP / 2, y + GAP / 2) for x, y, _ in points]
    chosen: list[str | None] = []
    for own, (x, y, name) in enumerate(points):
        width = len(name) * CHARACTER
        blocked = taken[:own] + taken[own + 1 :]
        chosen.append(None)
        for position in POSITIONS:
            vertical, horizontal = position.split()
            left = x + {"left": -width - GAP, "center": -width / 2, "right": GAP}[horizontal]
            low = (
                y + {"top": GAP, "middle": -TEXT_HEIGHT / 2, "bottom": -TEXT_HEIGHT - GAP}[vertical]
            )
            box = (left, low, left + width, low + TEXT_HEIGHT)
            inside = box[0] >= 0 and box[2] <= WIDTH and box[1] >= -GAP
            if inside and not any(_overlap(box, other) for other in blocked):
                chosen[-1] = position
                taken.append(box)
                break
    return chosen


def curves(table: Table) -> tuple[list[Curve], list[str]]:
    """Learning curves of every experiment that has them, on axes that all share.

    Returns:
        The curves in the table's order, and the experiments without (fitted in one pass, or not
        watched by epoch).
    """
    found: list[tuple[Line, list[dict[str, Any]]]] = []
    without = []
    for line in table.lines:
        traces = [
            trace
            for row in line.rows
            for key, axis, scale in (("val/accuracy", "", 100), ("val/log_loss", "2", 1))
            if (trace := _trace(row.history, key, axis, scale, row.seed, row.best_epoch))
        ]
        if traces:
            found.append((line, traces))
        else:
            without.append(line.experiment)
    everything = [trace for _, traces in found for trace in traces]
    ranges = {
        axis: _range([y for trace in everything if trace["yaxis"] == axis for y in trace["y"]])
        for axis in ("y", "y2")
    }
    layout = {
        "xaxis": {"anchor": "y2", "title": {"text": "epoch"}, "tickformat": "d"},
        "yaxis": {"domain": [0.56, 1], "range": ranges["y"], "title": {"text": "accuracy, %"}},
        "yaxis2": {"domain": [0, 0.44], "range": ranges["y2"], "title": {"text": "log loss"}},
        "showlegend": False,
    }
    return [Curve(line.experiment, {"data": t, "layout": layout}) for line, t in found], without


def _markers(role: str, group: list, places: dict[str, str | None]) -> dict[str, Any]:
    names = [point[3].experiment for point in group]
    trace = {
        "x": [point[0] for point in group],
        "y": [point[2].mean for point in group],
        "text": [name if places[name] else "" for name in names],
        "hovertext": names,
        "mode": "markers+text",
        "marker": {"size": 9},
        "textposition": [places[name] or "top center" for name in names],
        "cliponaxis": False,
        "hovertemplate": "<b>%{hovertext}</b><br>%{y:.2f} % after %{x:,.1f} s<extra></extra>",
        "meta": role,
    }
    for axis, index in (("error_x", 1), ("error_y", 2)):
        spreads = [point[index].sd for point in group]
        if any(spread is not None for spread in spreads):
            array = [spread or 0 for spread in spreads]
            trace[axis] = {"type": "data", "array": array, "thickness": 1, "width": 3}
    return trace


def _trace(
    history: list[dict[str, float | None]],
    key: str,
    axis: str,
    scale: float,
    seed: int,
    best_epoch: int | None,
) -> dict[str, Any] | None:
    """One seed's curve, or None below two epochs; the chosen epoch has the larger marker."""
    points = [(epoch["epoch"], value) for epoch in history if (value := epoch.get(key)) is not None]
    if len(points) < 2:
        return None
    return {
        "x": [(epoch or 0) + 1 for epoch, _ in points],
        "y": [value * scale for _, value in points],
        "xaxis": "x",
        "yaxis": f"y{axis}",
        "mode": "lines+markers",
        "line": {"width": 1.5},
        "marker": {"size": [9 if epoch == best_epoch else 4 for epoch, _ in points]},
        "hovertemplate": f"seed {seed}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        "meta": "accent",
    }


def _range(values: list[float]) -> list[float]:
    """The span of the values with room at both ends."""
    if not values:
        return [0, 1]
    pad = (max(values) - min(values)) * 0.08 or abs(values[0]) * 0.05 or 1
    return [min(values) - pad, max(values) + pad]


def _share(value: float, span: list[float]) -> float:
    return (value - span[0]) / (span[1] - span[0])


def _log_ticks(span: list[float]) -> list[float]:
    """1, 2, 5 of each decade of a log10 span; beyond three decades 1 alone."""
    digits = (1, 2, 5) if span[1] - span[0] <= 3 else (1,)
    decades = range(math.floor(span[0]), math.ceil(span[1]) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    return [tick for tick in ticks if span[0] <= math.log10(tick) <= span[1]]


def _overlap(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
