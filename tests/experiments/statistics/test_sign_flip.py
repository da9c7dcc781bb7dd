"""Sign-flip test of two runs, against all flips and against McNemar's test."""

from itertools import product
from math import erfc

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from experiments.statistics.sign_flip import sign_flip


@pytest.mark.parametrize("seed", range(20))
def test_p_is_the_share_of_all_flips(seed: int) -> None:
    generator = np.random.default_rng(seed)
    gaps = generator.integers(-6, 8, generator.integers(1, 13))
    flips = np.array(list(product((-1, 1), repeat=len(gaps))))
    expected = np.mean(np.abs(flips @ gaps) >= abs(gaps.sum()))
    assert sign_flip(gaps) == pytest.approx(expected)
    assert sign_flip(-gaps[::-1]) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(9, 4), (3, 3), (30, 55), (0, 6), (900, 1100), (0, 40)])
def test_single_reviews_give_mcnemars_exact_test(counts: tuple[int, int]) -> None:
    exact = mcnemar([[50, counts[0]], [counts[1], 3]], exact=True).pvalue
    gaps = np.repeat([1.0, -1.0, 0.0], [*counts, 53])
    assert sign_flip(gaps) == pytest.approx(exact, rel=1e-6, abs=1e-13)


def test_movies_that_lean_one_way_count_once() -> None:
    # Six reviews in favour: six movies give 2 / 2^6, one movie says nothing.
    assert sign_flip(np.ones(6)) == pytest.approx(1 / 32)
    assert sign_flip(np.array([6.0, 0, 0])) == pytest.approx(1)
    assert sign_flip(np.zeros(5)) == 1


def test_small_p_values_are_told_apart() -> None:
    # 3,581 movies and 378 pairs: the smallest p that counts is 0.05 / 378.
    generator = np.random.default_rng(0)
    gaps = generator.integers(-3, 4, 3581)
    error = np.sqrt((gaps**2).sum())
    for z in (3.8, 5, 6.5):
        shifted = gaps.copy()
        while shifted.sum() < z * error:
            shifted[generator.integers(0, 3581)] += 1
        scale = shifted.sum() / np.sqrt((shifted**2).sum())
        assert sign_flip(shifted) == pytest.approx(erfc(scale / np.sqrt(2)), rel=0.35)
