"""Variances over seeds, shared by the models of a table."""

import numpy as np
import pytest
from scipy.special import polygamma

from experiments.statistics.seeds import NO_POOL, Pool, pool, run_variance, seed_variance
from experiments.statistics.totals import Totals, count


def model(*accuracies: float, rest: float = 1e-6) -> Totals:
    sizes = np.full(5, 5000.0)
    return Totals(np.empty((0, 5)), np.array(accuracies), sizes, np.zeros(5), rest, 0.0)


def drawn(sds: np.ndarray, seeds: int = 3, seed: int = 0) -> list[Totals]:
    noise = np.random.default_rng(seed).standard_normal((len(sds), seeds))
    return [model(*row) for row in 0.9 + sds[:, None] * noise]


def test_models_that_vary_alike_share_one_variance() -> None:
    # Sample variances .02, .08 and .02 (e.g. ±.1 about the mean over two seeds): the logs vary
    # less than those of chance would, trigamma(1/2) = 4.93.
    models = [model(0.7, 0.9), model(0.6, 1.0), model(0.8, 0.6)]
    shared = pool(models)
    assert shared == Pool(pytest.approx(0.04), np.inf, 3)
    # No model's variance is made smaller than its own.
    assert [run_variance(one, shared) for one in models] == [
        (pytest.approx(0.04), 3),
        (pytest.approx(0.08), 3),
        (pytest.approx(0.04), 3),
    ]
    assert seed_variance(models[1], shared) == (pytest.approx(0.04), 3)


def test_models_that_vary_unequally_keep_their_own_in_part() -> None:
    models = [model(0.9, 0.9002), model(0.9, 0.902), model(0.7, 0.9), model(0.89990, 0.90)]
    variances = np.array([one.accuracies.var(ddof=1) for one in models])
    shared = pool(models)
    # d0 by its definition: trigamma(d0 / 2) is the excess of the variance of the logs.
    excess = np.log(variances).var(ddof=1) - polygamma(1, 0.5)
    assert polygamma(1, shared.freedom / 2) == pytest.approx(excess)
    assert shared.variance == pytest.approx(variances.mean()) and shared.total == 4
    small, freedom = run_variance(models[0], shared)
    weight = shared.freedom / (shared.freedom + 1)
    assert small == pytest.approx(weight * variances.mean() + (1 - weight) * variances[0])
    assert freedom == pytest.approx(min(shared.freedom + 1, 4))


def test_many_models_tell_whether_they_vary_alike() -> None:
    alike = pool(drawn(np.full(2000, 0.002)))
    assert alike.freedom > 50 and np.sqrt(alike.variance) == pytest.approx(0.002, rel=0.05)
    apart = pool(drawn(np.geomspace(0.0005, 0.02, 2000)))
    assert apart.freedom < 3
    # Draws from the distribution that is assumed, with 6 degrees of freedom.
    chi = np.random.default_rng(1).chisquare(6, 40_000)
    assert pool(drawn(0.002 * np.sqrt(6 / chi))).freedom == pytest.approx(6, rel=0.2)


def test_what_does_not_vary_shares_nothing() -> None:
    fixed = count(np.repeat(np.random.default_rng(0).random((1, 50)) < 0.9, 3, axis=0))
    single = count(np.random.default_rng(1).random((1, 50)) < 0.9)
    draws = drawn(np.full(5, 0.01))
    assert pool([*draws, fixed, single]) == pool(draws)
    for one in (fixed, single):
        assert run_variance(one, pool(draws)) == (0, np.inf)
    assert pool(draws[:2]) == NO_POOL == pool([fixed] * 9)
    own = draws[0].accuracies.var(ddof=1)
    assert run_variance(draws[0]) == (pytest.approx(own), 2)


def test_runs_that_agree_by_chance_do_not_break_the_logarithm() -> None:
    models = [model(0.9, 0.9, 0.9), *drawn(np.full(9, 0.002))]
    shared = pool(models)
    assert np.isfinite(shared.variance)
    assert run_variance(models[0], shared)[0] > 0
