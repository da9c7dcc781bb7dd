"""Pareto front: points that no other point beats in both accuracy and cost."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points on the Pareto front, by rising cost.

    A point is beaten by one that costs no more and is at least as accurate, and better in one of
    the two. Points that are equal in both are all on the front.

    Args:
        points: Cost (lower is better) and accuracy (higher is better) of each point.
    """
    order = sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1]))
    positions: list[int] = []
    for at in order:
        last = points[positions[-1]] if positions else None
        if last is None or points[at][1] > last[1] or points[at] == last:
            positions.append(at)
    return positions
