"""Ranks and chances of being first."""

import numpy as np
import pytest
from scipy import stats

from experiments.statistics.ranks import draw_accuracies, rank_models
from experiments.statistics.totals import Totals, count, group_variance

GROUPS = np.repeat(np.arange(300), 5)


def answers(accuracy: float, seeds: int = 3, seed: int = 0) -> Totals:
    generator = np.random.default_rng(seed)
    return count(generator.random((seeds, 1500)) < accuracy, GROUPS)


def test_models_far_apart_are_ranked_for_sure() -> None:
    models = {"c": answers(0.6), "a": answers(0.9, seed=1), "b": answers(0.75, seed=2)}
    ranks = rank_models(models, draws=500)
    assert list(ranks) == ["c", "a", "b"]
    assert [(r.rank, r.low, r.high, r.first) for r in ranks.values()] == [
        (3, 3, 3, 0),
        (1, 1, 1, 1),
        (2, 2, 2, 0),
    ]
    assert rank_models({}) == {}


def test_the_chance_of_two_is_that_of_the_normal_distribution() -> None:
    one, two = answers(0.8, 1, seed=3), answers(0.79, 1, seed=4)
    ranks = rank_models({"one": one, "two": two})
    gaps = one.deviations - two.deviations
    error = np.sqrt(300 / 299 * (gaps**2).sum()) / 1500
    expected = stats.norm.cdf((one.mean - two.mean) / error)
    assert ranks["one"].first == pytest.approx(expected, abs=0.015)
    assert ranks["one"].first + ranks["two"].first == pytest.approx(1)
    assert (ranks["one"].low, ranks["one"].high) == (1, 2)


def test_equal_models_share_rank_and_chance() -> None:
    model = answers(0.8, 1)
    ranks = rank_models({"one": model, "two": model, "low": answers(0.3, 1)}, draws=200)
    assert ranks["one"] == ranks["two"]
    assert (ranks["one"].rank, ranks["one"].first) == (1, pytest.approx(0.5))
    assert ranks["low"].rank == 3


def test_draws_have_the_variance_of_the_interval() -> None:
    models = [answers(0.8, seed=seed) for seed in range(12)]
    drawn = draw_accuracies(models, 20_000, np.random.default_rng(1))
    assert drawn.mean(axis=0) == pytest.approx([m.mean for m in models], abs=1e-3)
    # No pool for two models that draw: seeds' part by t with 2 degrees of freedom is wide, so
    # the quartiles are compared, for a model without seeds and for one with shared variance.
    fixed = answers(0.8, 1, seed=5)
    alone = draw_accuracies([fixed], 20_000, np.random.default_rng(1))
    assert alone.std() == pytest.approx(np.sqrt(group_variance(fixed)), rel=0.03)
    wide = np.array([drawn[:, at].std() ** 2 for at in range(12)])
    least = np.array([group_variance(model) for model in models])
    assert (wide > 0.95 * least).all()


def test_the_same_movies_are_drawn_for_all() -> None:
    # Right where the other is right but for one group: the difference hardly varies.
    correct = np.random.default_rng(0).random((1, 1500)) < 0.8
    other = correct.copy()
    other[0, :5] = ~other[0, :5]
    drawn = draw_accuracies(
        [count(correct, GROUPS), count(other, GROUPS)], 2000, np.random.default_rng(1)
    )
    assert np.ptp(drawn[:, 0] - drawn[:, 1]) < 0.03 < np.ptp(drawn[:, 0])


def test_ranks_do_not_depend_on_chance() -> None:
    models = {str(seed): answers(0.8, seed=seed) for seed in range(5)}
    assert rank_models(models, draws=300) == rank_models(models, draws=300)
