"""Interval of an accuracy, against figures computed by hand or by other methods."""

import numpy as np
import pytest
from scipy import stats

from experiments.statistics.intervals import (
    accuracy_interval,
    degrees_of_freedom,
    residual_variance,
    seed_variance,
)

# Two seeds, four reviews. Accuracies .75 and .5; means by review 1, 1, .5, 0.
SMALL = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)


def test_a_hand_computed_example() -> None:
    # Sums of squares about the mean .625: of the seeds 4·2·.125² = .125; of the reviews
    # 2·(2·.375² + .125² + .625²) = 1.375; of all 5·.375² + 3·.625² = 1.875; so the rest .375,
    # with (2 - 1)(4 - 1) degrees of freedom .125.
    assert residual_variance(SMALL) == pytest.approx(0.125 / 2)
    assert seed_variance(np.array([0.75, 0.5])) == (pytest.approx(0.03125 / 2), 1)
    # Reviews: 1.375 / (2·3) = .2291667, less the rest, .1666667; over 4 reviews .0416667.
    interval = accuracy_interval(SMALL, level=0.5)
    freedom = 1 * (0.015625 + 0.0416667) / 0.015625
    half = stats.t.ppf(0.75, freedom) * np.sqrt(0.015625 + 0.0416667)
    assert interval.mean == 0.625
    assert interval.sd == pytest.approx(0.1767767)
    assert interval.low == pytest.approx(0.625 - half)
    assert interval.high == pytest.approx(0.625 + half)
    assert (interval.seeds, interval.reviews_only) == (2, False)


def test_the_rest_is_that_of_an_analysis_of_variance() -> None:
    sm = pytest.importorskip("statsmodels.api")
    from statsmodels.formula.api import ols

    correct = np.random.default_rng(0).random((3, 30)) < np.linspace(0.2, 1, 30)
    seed, review = np.indices(correct.shape)
    frame = {"y": correct.ravel() * 1.0, "s": seed.ravel(), "r": review.ravel()}
    table = sm.stats.anova_lm(ols("y ~ C(s) + C(r)", frame).fit())
    squares = table["mean_sq"]
    assert residual_variance(correct) == pytest.approx(squares["Residual"] / 3)
    assert seed_variance(correct.mean(axis=1))[0] == pytest.approx(squares["C(s)"] / 90)
    # The reviews' part by the same table: (mean square of reviews - of the rest) / (S·N).
    reviews = (squares["C(r)"] - squares["Residual"]) / 90
    seeds = squares["C(s)"] / 90
    half = stats.t.ppf(0.975, 2 * (seeds + reviews) / seeds) * np.sqrt(seeds + reviews)
    assert accuracy_interval(correct).high - correct.mean() == pytest.approx(half)


def test_one_seed_has_the_reviews_part_alone_and_no_sd() -> None:
    correct = np.random.default_rng(1).random((1, 4000)) < 0.9
    interval = accuracy_interval(correct)
    share = correct.mean()
    half = 1.959964 * np.sqrt(share * (1 - share) / 3999)
    assert interval.sd is None and interval.reviews_only and interval.seeds == 1
    assert interval.high - share == pytest.approx(half) == share - interval.low


def test_the_reviews_part_is_what_a_bootstrap_finds() -> None:
    generator = np.random.default_rng(2)
    correct = generator.random((1, 1000)) < 0.85
    variance = stats.bootstrap((correct[0] * 1.0,), np.mean, method="percentile", rng=generator)
    interval = accuracy_interval(correct)
    assert interval.low == pytest.approx(variance.confidence_interval.low, abs=0.002)
    assert interval.high == pytest.approx(variance.confidence_interval.high, abs=0.002)


def test_a_run_without_chance_adds_nothing_by_being_repeated() -> None:
    once = np.random.default_rng(3).random((1, 500)) < 0.9
    one, three = accuracy_interval(once), accuracy_interval(np.repeat(once, 3, axis=0))
    assert three.sd == 0 and not three.reviews_only
    assert (three.low, three.high) == pytest.approx((one.low, one.high))


def test_the_interval_stays_between_0_and_1() -> None:
    correct = np.ones((1, 20), dtype=bool)
    correct[0, 0] = False
    assert accuracy_interval(correct).high == 1
    assert accuracy_interval(~correct).low == 0


def test_degrees_of_freedom_at_both_ends_are_satterthwaites() -> None:
    assert degrees_of_freedom(0.0, 0, 1.0) == np.inf
    assert degrees_of_freedom(1.0, 2, 0.0) == 2
    assert 2 < degrees_of_freedom(1.0, 2, 1.0) < 2 / 0.5**2


@pytest.mark.parametrize(
    "correct",
    [np.ones(3, bool), np.ones((2, 3)), np.ones((0, 3), bool), np.ones((2, 1), bool)],
)
def test_other_arrays_are_refused_with_their_shape(correct: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be bool\[seeds, reviews\]") as raised:
        accuracy_interval(correct)
    assert str(list(correct.shape)) in str(raised.value)
