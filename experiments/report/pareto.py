"""The front of a trade-off: what nothing else beats in both accuracy and cost."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points that no other point beats, by rising cost.

    A point is beaten by one that costs no more and is at least as accurate, and better in one of
    the two. Of points that are equal in both all stand on the front.

    Args:
        points: cost (less is better) and accuracy (more is better) of each.
    """
    order = sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1]))
    positions: list[int] = []
    for at in order:
        last = points[positions[-1]] if positions else None
        if last is None or points[at][1] > last[1] or points[at] == last:
            positions.append(at)
    return positions
