"""Edit distance against its recursive definition."""

from __future__ import annotations

import itertools
from functools import cache

import pytest

from lit_models.sequences.edit_distance import edit_distance


@pytest.mark.parametrize(
    ("written", "reference", "expected"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
        ("abcd", "bcde", 2),
        ("ab", "ba", 2),
    ],
)
def test_known_distances(written: str, reference: str, expected: int) -> None:
    pair = [ord(c) for c in written], [ord(c) for c in reference]
    assert edit_distance(*pair) == expected


@cache
def recursive(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    if not one or not other:
        return len(one) + len(other)
    return min(
        recursive(one[1:], other) + 1,
        recursive(one, other[1:]) + 1,
        recursive(one[1:], other[1:]) + (one[0] != other[0]),
    )


def test_all_pairs_of_short_strings() -> None:
    strings = [s for n in range(4) for s in itertools.product((1, 2, 3), repeat=n)]
    for one, other in itertools.product(strings, strings):
        assert edit_distance(one, other) == recursive(one, other)
