"""Compact letter display: a shared letter if and only if two names do not differ."""

from itertools import combinations

import numpy as np
import pytest

from experiments.statistics.groups import group_letters


@pytest.mark.parametrize("seed", range(40))
def test_two_share_a_letter_if_and_only_if_they_do_not_differ(seed: int) -> None:
    generator = np.random.default_rng(seed)
    names = [f"m{number}" for number in range(generator.integers(1, 14))]
    likely = generator.random()
    pairs = [frozenset(pair) for pair in combinations(names, 2)]
    same = {pair for pair in pairs if generator.random() < likely}
    shown = group_letters(names, same)
    assert list(shown) == names and all(shown.values())
    for pair in pairs:
        one, two = (set(shown[name]) for name in pair)
        assert bool(one & two) == (pair in same), (pair, shown)


def test_an_example_of_piepho() -> None:
    # Overlapping groups: 1 = 2, 2 = 3, 1 ≠ 3.
    assert group_letters(["1", "2", "3"], {frozenset("12"), frozenset("23")}) == {
        "1": "a",
        "2": "ab",
        "3": "b",
    }


def test_all_equal_and_all_different() -> None:
    names = [f"m{number}" for number in range(60)]
    every = {frozenset(pair) for pair in combinations(names, 2)}
    assert set(group_letters(names, every).values()) == {"a"}
    apart = group_letters(names, set())
    assert len(set(apart.values())) == 60 and all(len(value) == 1 for value in apart.values())
    assert [apart[name] for name in names[:3]] == ["a", "b", "c"]
    assert group_letters([], set()) == {}


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a name occurs twice in .'a', 'a'."):
        group_letters(["a", "a"], set())
