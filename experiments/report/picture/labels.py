"""Placement of the names of points, beside them and over no other name or point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FONT = 12
CHARACTER = 0.62 * FONT  # width in a wide sans-serif font; narrower fonts need less
HEIGHT = 1.25 * FONT
# Gaps between a point and its name; from the second on a thin line connects them.
_GAPS = (9.0, 18.0, 30.0, 44.0, 58.0)
CROSSING = 25
# Directions from a point to its name, y downwards, in the order of preference.
_STRAIGHT = ((1, 0), (-1, 0), (0, -1), (0, 1))
_OBLIQUE = ((1, -1), (-1, -1), (1, 1), (-1, 1))
Anchor = Literal["start", "middle", "end"]
_ANCHORS: dict[int, Anchor] = {1: "start", 0: "middle", -1: "end"}


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Check whether the two share an area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: "Box") -> bool:
        """Check whether the other is within this one."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True)
class NamedPoint:
    """Point with a name to place.

    Attributes:
        mark: Area of its symbol.
        reach: Length of its interval upwards and downwards.
        text: The name.
    """

    mark: Box
    reach: float
    text: str

    @property
    def middle(self) -> tuple[float, float]:
        """Middle of the symbol, x and y."""
        return (self.mark.left + self.mark.right) / 2, (self.mark.top + self.mark.bottom) / 2


@dataclass(frozen=True)
class Label:
    """Placed name.

    Attributes:
        text: The name.
        x: Position of the anchor.
        anchor: The part of the text that is at `x`.
        box: Largest area of the text.
        leader: Line from the point, x and y of both ends; None for a name close to it.
    """

    text: str
    x: float
    anchor: Anchor
    box: Box
    leader: tuple[float, float, float, float] | None


def around(x: float, y: float, radius: float) -> Box:
    """Square around a point."""
    return Box(x - radius, y - radius, x + radius, y + radius)


def place_labels(
    first: Sequence[NamedPoint],
    further: Sequence[NamedPoint],
    most: int,
    points: Sequence[Box],
    lines: Sequence[Box],
    area: Box,
) -> list[Label]:
    """Choose a place for each name, in order; names without a free place are left out.

    A name never covers a point or another name, and neither does the line that connects it to its
    point. Of the free places the nearest is chosen; each of `lines` that a name crosses counts as
    `CROSSING` pixels.

    Args:
        first: The names to place.
        further: Names to place after them if there is room beside the point, without a line.
        most: Maximum number of names.
        points: All points of the picture.
        lines: Areas that names should avoid, such as intervals.
        area: Area that names must be within.
    """
    placed: list[Label] = []
    queue = [(name, _GAPS) for name in first] + [(name, _GAPS[:1]) for name in further]
    for name, gaps in queue:
        if len(placed) == most:
            break
        occupied = [*points, *(label.box for label in placed)]
        others = [box for box in occupied if box != name.mark]
        leaders = [step for label in placed for step in _steps(label)]
        best: tuple[float, Label] | None = None
        for gap in gaps:
            if best is not None and best[0] <= gap:  # no place farther off costs less
                break
            for label in _candidates(name, gap):
                if (
                    area.holds(label.box)
                    and not any(map(label.box.overlaps, [*occupied, *leaders]))
                    and not any(s.overlaps(box) for s in _steps(label) for box in others + leaders)
                ):
                    cost = gap + CROSSING * sum(map(label.box.overlaps, lines))
                    best = min(best or (cost, label), (cost, label), key=lambda one: one[0])
        if best is not None:
            placed.append(best[1])
    return placed


def _candidates(name: NamedPoint, gap: float) -> list[Label]:
    near = gap == _GAPS[0]
    # Oblique first, so that no line to a name looks like an interval.
    sides = [*_STRAIGHT, *_OBLIQUE] if near else [*_OBLIQUE, *_STRAIGHT]
    middle_x, middle_y = name.middle
    labels = []
    for right, down in sides:
        share = gap / math.hypot(right, down)
        if right == 0:
            share = max(share, name.reach + 3)
        x, y = middle_x + right * share, middle_y + down * share
        width = CHARACTER * len(name.text)
        left, top = x - width * (1 - right) / 2, y - HEIGHT * (1 - down) / 2
        box = Box(left, top, left + width, top + HEIGHT)
        start = _GAPS[0] / gap
        leader = (middle_x + (x - middle_x) * start, middle_y + (y - middle_y) * start, x, y)
        labels.append(Label(name.text, x, _ANCHORS[right], box, None if near else leader))
    return labels


def _steps(label: Label) -> list[Box]:
    """Small squares along the line from a point to its name."""
    if label.leader is None:
        return []
    x, y, end_x, end_y = label.leader
    count = math.ceil(math.hypot(end_x - x, end_y - y) / 2)
    shares = [at / count for at in range(count + 1)]
    return [around(x + share * (end_x - x), y + share * (end_y - y), 1) for share in shares]
