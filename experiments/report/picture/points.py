"""Layout of the picture of accuracy against number of parameters: points, axes and names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.report.figure import log_ticks, padded_range
from experiments.report.picture.labels import Box, Label, NamedPoint, around, place_labels
from experiments.report.picture.symbols import RADIUS
from experiments.report.readme.top import Candidate, select_rows
from experiments.report.terminal import compact

WIDTH, HEIGHT = 860, 520
AREA = Box(44, 74, 852, 468)
MOST_NAMED = 16
APART, MOVED = 2 * RADIUS, 14  # distance wanted between points, and how far they are moved for it
_STEPS = tuple(size * 10.0**power for power in range(-3, 3) for size in (1, 2, 5))


@dataclass(frozen=True)
class Point:
    """Candidate with its place in pixels, y downwards.

    Attributes:
        candidate: Experiment under one protocol.
        x: Middle of its symbol.
        y: Middle of its symbol.
        high: Upper end of its interval; `y` if it has none.
        low: Lower end of its interval; `y` if it has none.
    """

    candidate: Candidate
    x: float
    y: float
    high: float
    low: float


@dataclass(frozen=True)
class Plot:
    """Layout of the picture.

    Attributes:
        points: Points by falling accuracy.
        names: Names of some of the points.
        x_ticks: Place and text of each tick.
        y_ticks: Place and text of each tick.
    """

    points: list[Point]
    names: list[Label]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def drawable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Select candidates with finite accuracy and a finite number of parameters above 0."""
    return [
        one
        for one in candidates
        if math.isfinite(one.accuracy) and 0 < parameter_count(one) < math.inf
    ]


def parameter_count(one: Candidate) -> float:
    """Number of parameters; 0 if it is not known."""
    value = one.line.values["parameters"]
    return value.mean if value else 0


def lay_out(drawn: Sequence[Candidate]) -> Plot:
    """Place points, names and ticks.

    Args:
        drawn: From `drawable`, by falling accuracy; at least one.
    """
    x_span = _wide(padded_range([math.log10(parameter_count(one)) for one in drawn]))
    y_span = _wide(padded_range([end for one in drawn for end in _ends(one)]))
    points = _points(drawn, x_span, y_span)
    step = next(step for step in _STEPS if (y_span[1] - y_span[0]) / step <= 7)
    shown = range(math.ceil(y_span[0] / step), math.floor(y_span[1] / step) + 1)
    return Plot(
        points,
        _names(points),
        [(_x(math.log10(tick), x_span), compact(tick)) for tick in log_ticks(x_span)],
        [(_y(tick * step, y_span), f"{tick * step:g}") for tick in shown],
    )


def _points(
    drawn: Sequence[Candidate], x_span: Sequence[float], y_span: Sequence[float]
) -> list[Point]:
    """Place the points; those that would cover another one are moved aside by some pixels."""
    points: list[Point] = []
    for one in drawn:
        x, y = _x(math.log10(parameter_count(one)), x_span), _y(one.accuracy, y_span)
        # The place farthest from the others, up to APART; of equally far ones the nearest.
        apart = {
            by: min([APART, *(math.hypot(x + by - other.x, y - other.y) for other in points)])
            for by in range(-MOVED, MOVED + 1, 2)
        }
        by = max(apart, key=lambda by: (apart[by], -abs(by)))
        low, high = (_y(end, y_span) for end in _ends(one))
        points.append(Point(one, x + by, y, high, low))
    return points


def _names(points: Sequence[Point]) -> list[Label]:
    """Place the names of selected rows and of the extremes; of others if there is room."""
    candidates = [point.candidate for point in points]
    columns = [point.x for point in points]
    ends = [columns.index(min(columns)), columns.index(max(columns)), len(points) - 1]
    first = list(dict.fromkeys([*map(candidates.index, select_rows(candidates)), *ends]))
    further = [at for at in range(len(points)) if at not in first]
    named, others = ([_named(points[at]) for at in some] for some in (first, further))
    marks = [_mark(point) for point in points]
    intervals = [Box(point.x - 1, point.high, point.x + 1, point.low) for point in points]
    return place_labels(named, others, MOST_NAMED, marks, intervals, AREA)


def _named(point: Point) -> NamedPoint:
    name = point.candidate.line.experiment
    return NamedPoint(_mark(point), (point.low - point.high) / 2, name)


def _mark(point: Point) -> Box:
    """Area of the symbol of a point, for the largest symbol."""
    return around(point.x, point.y, 1.5 * RADIUS)


def _ends(one: Candidate) -> tuple[float, float]:
    """Interval in percent; the accuracy twice if there is none."""
    interval = one.interval
    return (100 * interval.low, 100 * interval.high) if interval else (one.accuracy, one.accuracy)


def _wide(ends: Sequence[float]) -> list[float]:
    """Widen a range to a length of at least 1 (a decade, a point)."""
    lacking = max(0, 1 - (ends[1] - ends[0]))
    return [ends[0] - lacking / 2, ends[1] + lacking / 2]


def _x(exponent: float, ends: Sequence[float]) -> float:
    return AREA.left + (exponent - ends[0]) / (ends[1] - ends[0]) * (AREA.right - AREA.left)


def _y(accuracy: float, ends: Sequence[float]) -> float:
    return AREA.bottom - (accuracy - ends[0]) / (ends[1] - ends[0]) * (AREA.bottom - AREA.top)
