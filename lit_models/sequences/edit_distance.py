"""Edit distance of two sequences of symbols."""

from __future__ import annotations

from collections.abc import Sequence


def edit_distance(written: Sequence[int], reference: Sequence[int]) -> int:
    """Fewest insertions, deletions and replacements between two sequences (Levenshtein 1966)."""
    distances = list(range(len(reference) + 1))  # from nothing to each beginning of the reference
    for count, symbol in enumerate(written, start=1):
        diagonal, distances[0] = distances[0], count
        for place, other in enumerate(reference, start=1):
            replaced = diagonal + (symbol != other)
            diagonal = distances[place]
            distances[place] = min(replaced, diagonal + 1, distances[place - 1] + 1)
    return distances[-1]
