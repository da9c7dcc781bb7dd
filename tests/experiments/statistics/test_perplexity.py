"""The interval of a perplexity: by hand, by simulation, and where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from experiments.statistics.perplexity import perplexity_interval


def test_by_hand() -> None:
    losses, symbols = np.array([[2.0, 6.0, 4.0]]), np.array([1, 2, 1])
    found = perplexity_interval(losses, symbols)
    assert found is not None
    # The mean is 12 / 4; a text's loss less 3 for each of its symbols: -1, 0, 1.
    half = t.ppf(0.975, 2) * np.sqrt(3 / 2 * 2 / 4**2)
    ends = np.exp([3 - half, 3, 3 + half])
    assert (found.low, found.mean, found.high) == pytest.approx(tuple(ends))
    assert found.reviews_only and found.sd is None and found.design_effect == 1
    assert not perplexity_interval(losses, symbols, draws=False).reviews_only  # type: ignore[union-attr]
    # Two texts of a movie that err in the same direction count as one.
    groups = perplexity_interval(np.array([[2.0, 5.0, 5.0]]), symbols, np.array([7, 7, 8]))
    assert groups is not None
    half = t.ppf(0.975, 1) * np.sqrt(2 * (2**2 + 2**2) / 4**2)
    assert groups.high == pytest.approx(np.exp(3 + half)) and groups.design_effect > 1


def test_two_seeds_widen_it() -> None:
    symbols, losses = np.full(50, 4), np.random.default_rng(0).normal(12, 1, 50)
    one = perplexity_interval(losses[None], symbols)
    two = perplexity_interval(np.stack([losses - 2, losses + 2]), symbols)
    assert one is not None and two is not None
    assert two.high - two.low > 5 * (one.high - one.low) and not two.reviews_only
    means = [(losses.sum() + added) / 200 for added in (-100, 100)]
    assert two.sd == pytest.approx(np.exp(means).std(ddof=1))


def test_one_group_tells_nothing() -> None:
    assert perplexity_interval(np.ones((1, 3)), np.ones(3, dtype=int), np.zeros(3, int)) is None


@pytest.mark.parametrize(("movies", "seeds"), [(None, 1), (60, 1), (60, 3)])
def test_the_interval_holds_the_truth_as_often_as_it_says(movies: int | None, seeds: int) -> None:
    rng, hits, draws = np.random.default_rng(1), 0, 400
    for _ in range(draws):
        symbols = rng.integers(20, 200, 300)
        groups = None if movies is None else rng.integers(0, movies, 300)
        hard = np.zeros(300) if groups is None else rng.normal(0, 0.3, movies)[groups]
        of_seed = 0.1 * rng.standard_normal((seeds, 1)) * (seeds > 1)
        losses = (5 + hard + 0.4 * rng.standard_normal((seeds, 300)) + of_seed) * symbols
        found = perplexity_interval(losses, symbols, groups)
        assert found is not None
        hits += found.low < np.exp(5) < found.high
    assert 0.92 < hits / draws < 0.98
