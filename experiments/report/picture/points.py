"""What a picture of accuracy against number of parameters shows: points, axes and names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.report.figure import log_ticks, span
from experiments.report.picture.labels import Box, Label, Named, around, place
from experiments.report.picture.symbols import RADIUS
from experiments.report.readme.top import Entrant, telling
from experiments.report.terminal import compact

WIDTH, HEIGHT = 860, 520
AREA = Box(44, 74, 852, 468)
MOST_NAMED = 16
APART, MOVED = 2 * RADIUS, 14  # how far points should be apart, and how far they move for it
_STEPS = tuple(size * 10.0**power for power in range(-3, 3) for size in (1, 2, 5))


@dataclass(frozen=True)
class Point:
    """An entrant with its place in pixels, y downwards.

    Attributes:
        entrant: Whose place it is.
        x: Middle of its symbol.
        y: Middle of its symbol.
        high: Upper end of its interval; `y` where there is none.
        low: Lower end of its interval; `y` where there is none.
    """

    entrant: Entrant
    x: float
    y: float
    high: float
    low: float


@dataclass(frozen=True)
class Plot:
    """All that is drawn.

    Attributes:
        points: By falling accuracy.
        names: Of some of the points.
        x_ticks: Place and text.
        y_ticks: Place and text.
    """

    points: list[Point]
    names: list[Label]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def drawable(found: Sequence[Entrant]) -> list[Entrant]:
    """Those with a place on the axes: accuracy and number of parameters finite, the latter > 0."""
    return [one for one in found if math.isfinite(one.accuracy) and 0 < count(one) < math.inf]


def count(one: Entrant) -> float:
    """Number of parameters; 0 where it is not known."""
    value = one.line.values["parameters"]
    return value.mean if value else 0


def plot(drawn: Sequence[Entrant]) -> Plot:
    """Place everything.

    Args:
        drawn: From `drawable`, by falling accuracy; at least one.
    """
    x_span = _wide(span([math.log10(count(one)) for one in drawn]))
    y_span = _wide(span([end for one in drawn for end in _ends(one)]))
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
    drawn: Sequence[Entrant], x_span: Sequence[float], y_span: Sequence[float]
) -> list[Point]:
    """Places of the points; those that would cover another one move aside by some pixels."""
    points: list[Point] = []
    for one in drawn:
        x, y = _x(math.log10(count(one)), x_span), _y(one.accuracy, y_span)
        # The farthest from the others, up to APART; of equals the least moved.
        apart = {
            by: min([APART, *(math.hypot(x + by - other.x, y - other.y) for other in points)])
            for by in range(-MOVED, MOVED + 1, 2)
        }
        by = max(apart, key=lambda by: (apart[by], -abs(by)))
        low, high = (_y(end, y_span) for end in _ends(one))
        points.append(Point(one, x + by, y, high, low))
    return points


def _names(points: Sequence[Point]) -> list[Label]:
    """Names of the telling rows and of the ends of both axes; of others where there is room."""
    entrants = [point.entrant for point in points]
    columns = [point.x for point in points]
    ends = [columns.index(min(columns)), columns.index(max(columns)), len(points) - 1]
    first = list(dict.fromkeys([*map(entrants.index, telling(entrants)), *ends]))
    further = [at for at in range(len(points)) if at not in first]
    named, others = ([_named(points[at]) for at in some] for some in (first, further))
    marks = [_mark(point) for point in points]
    intervals = [Box(point.x - 1, point.high, point.x + 1, point.low) for point in points]
    return place(named, others, MOST_NAMED, marks, intervals, AREA)


def _named(point: Point) -> Named:
    name = point.entrant.line.experiment
    return Named(_mark(point), (point.low - point.high) / 2, name)


def _mark(point: Point) -> Box:
    """What the symbol of a point covers, whichever it is."""
    return around(point.x, point.y, 1.5 * RADIUS)


def _ends(one: Entrant) -> tuple[float, float]:
    """The interval in percent; without one the accuracy itself, twice."""
    interval = one.line.interval
    return (100 * interval.low, 100 * interval.high) if interval else (one.accuracy, one.accuracy)


def _wide(ends: Sequence[float]) -> list[float]:
    """The span, or where it is shorter than 1 (a decade, a point) one of that length around it."""
    lacking = max(0, 1 - (ends[1] - ends[0]))
    return [ends[0] - lacking / 2, ends[1] + lacking / 2]


def _x(exponent: float, ends: Sequence[float]) -> float:
    return AREA.left + (exponent - ends[0]) / (ends[1] - ends[0]) * (AREA.right - AREA.left)


def _y(accuracy: float, ends: Sequence[float]) -> float:
    return AREA.bottom - (accuracy - ends[0]) / (ends[1] - ends[0]) * (AREA.bottom - AREA.top)
