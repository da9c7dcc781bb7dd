"""Interval of an accuracy, against figures computed by hand or by other methods."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from experiments.statistics.intervals import (
    accuracy_interval,
    degrees_of_freedom,
    wilson,
)
from experiments.statistics.seeds import seed_variance
from experiments.statistics.totals import count, group_variance

# Two seeds, four reviews. Accuracies .75 and .5; means by review 1, 1, .5, 0.
SMALL = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)


def movies(reviews: int, seed: int = 0) -> np.ndarray:
    """Groups of unequal size, the rows in no order."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, reviews // 4, reviews) ** 2 // (reviews // 4)


def runs(seeds: int, groups: np.ndarray, seed: int = 0, accuracy: float = 0.8) -> np.ndarray:
    """Runs that find some groups hard."""
    generator = np.random.default_rng(seed)
    ease = generator.normal(0, 1, groups.max() + 1)[groups] + generator.normal(0, 1, len(groups))
    return ease + generator.normal(0, 0.7, (seeds, len(groups))) < stats.norm.ppf(accuracy) * 1.6


def test_a_hand_computed_example() -> None:
    # Sums of squares about the mean .625: of the seeds 4·2·.125² = .125; of the reviews
    # 2·(2·.375² + .125² + .625²) = 1.375; of all 5·.375² + 3·.625² = 1.875; so the rest .375,
    # with (2 - 1)(4 - 1) degrees of freedom .125, for the mean over 2·4 answers .015625.
    totals = count(SMALL)
    assert totals.rest == pytest.approx(0.015625)
    assert seed_variance(totals) == (pytest.approx(0.03125 / 2), 1)
    # Reviews: 1.375 / (2·3) = .2291667, over 4 reviews .0572917; less the rest .0416667.
    assert group_variance(totals) == pytest.approx(0.0572917)
    found = accuracy_interval(SMALL, level=0.5)
    # 1.5 errors, and one whose review is wrong as a whole: the rest is left in for that one.
    seeds, reviews = 0.015625, (1.5 * 0.0416667 + 0.0572917) / 2.5
    freedom = (seeds + reviews) / (seeds / 1 + reviews / 3)
    effective = 0.625 * 0.375 / (seeds + reviews)
    assert found.mean == 0.625 and found.design_effect == pytest.approx(1)
    assert found.sd == pytest.approx(0.1767767)
    assert (found.low, found.high) == pytest.approx(
        wilson(0.625, effective, stats.t.ppf(0.75, freedom)), rel=1e-6
    )
    assert (found.seeds, found.reviews_only) == (2, False)


def test_a_hand_computed_example_with_movies() -> None:
    # Reviews 0, 1 and 2 are of one movie, 3 of another. Right: 3, 0 of the first run and 2, 0 of
    # the second; expected 3·.625 and .625, so both movies are .625 off, up and down.
    totals = count(SMALL, np.array([7, 7, 7, 2]))
    assert sorted(totals.deviations) == pytest.approx([-0.625, 0.625])
    assert group_variance(totals) == pytest.approx(2 * 2 * 0.625**2 / 16)
    # Runs are off their own accuracies by 3 - 2.25 = .75 and 2 - 1.5 = .5: ∓.125 about .625.
    assert totals.rest == pytest.approx(2 * 4 * 0.125**2 / (1 * 2 * 16))
    found = accuracy_interval(SMALL, groups=np.array([7, 7, 7, 2]))
    assert found.design_effect == pytest.approx(0.09765625 / 0.0572917, rel=1e-5)
    # 1.5 errors: the variance over movies counts 1.5 / 2.5, a movie wrong as a whole 1 / 2.5.
    clustered = (1.5 * (0.09765625 - 0.00390625) + 2 * 0.0572917) / 2.5
    effective = 0.625 * 0.375 / (0.015625 + clustered)
    expected = wilson(0.625, effective, stats.t.ppf(0.975, 1))  # both parts have one degree
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_one_seed_has_the_cluster_robust_variance_of_statsmodels(seed: int) -> None:
    groups = movies(800, seed)
    correct = runs(1, groups, seed)
    fit = OLS(correct[0] * 1.0, np.ones(800)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    # statsmodels multiplies by G / (G - 1) and by (N - 1) / (N - 1).
    assert group_variance(count(correct, groups)) == pytest.approx(fit.cov_params().item())


def test_one_seed_of_single_reviews_is_wilsons_interval() -> None:
    correct = np.random.default_rng(1).random((1, 4000)) < 0.9
    found = accuracy_interval(correct)
    low, high = proportion_confint(correct.sum(), 4000, method="wilson")
    assert found.sd is None and found.reviews_only and found.seeds == 1
    # t with 3,999 degrees of freedom for z, and 3,999 for 4,000 under the variance.
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)
    assert not accuracy_interval(correct, draws=False).reviews_only


def test_the_parts_are_those_of_an_analysis_of_variance() -> None:
    sm = pytest.importorskip("statsmodels.api")
    from statsmodels.formula.api import ols

    correct = np.random.default_rng(0).random((3, 30)) < np.linspace(0.2, 1, 30)
    seed, review = np.indices(correct.shape)
    frame = {"y": correct.ravel() * 1.0, "s": seed.ravel(), "r": review.ravel()}
    table = sm.stats.anova_lm(ols("y ~ C(s) + C(r)", frame).fit())
    squares = table["mean_sq"]
    totals = count(correct)
    assert totals.rest == pytest.approx(squares["Residual"] / 90)
    assert seed_variance(totals)[0] == pytest.approx(squares["C(s)"] / 90)
    assert group_variance(totals) == pytest.approx(squares["C(r)"] / 90)


def test_no_groups_are_groups_of_one() -> None:
    correct = runs(3, movies(400))
    alone = accuracy_interval(correct)
    one = accuracy_interval(correct, groups=np.random.default_rng(0).permutation(400) * 3 - 50)
    assert (one.low, one.high, one.design_effect) == pytest.approx((alone.low, alone.high, 1))


def test_neither_the_order_of_rows_nor_the_numbers_of_groups_matter() -> None:
    groups = movies(400)
    correct = runs(3, groups)
    generator = np.random.default_rng(1)
    expected = accuracy_interval(correct, groups=groups)
    order = generator.permutation(400)
    renamed = generator.permutation(groups.max() + 1)[groups] - 10
    for one, numbers in ((correct[:, order], groups[order]), (correct, renamed)):
        found = accuracy_interval(one, groups=numbers)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
        assert found.design_effect == pytest.approx(expected.design_effect)
    assert expected.design_effect > 1.3


def test_rows_that_are_repeated_add_nothing() -> None:
    single = runs(2, movies(400))
    groups = np.tile(np.arange(400), 5)
    one, five = accuracy_interval(single), accuracy_interval(np.tile(single, 5), groups=groups)
    assert five.design_effect == pytest.approx(5, rel=0.01)
    assert (five.low, five.high) == pytest.approx((one.low, one.high), abs=1e-3)


def test_a_run_without_chance_adds_nothing_by_being_repeated() -> None:
    once = np.random.default_rng(3).random((1, 500)) < 0.9
    one, three = accuracy_interval(once), accuracy_interval(np.repeat(once, 3, axis=0))
    assert three.sd == 0 and not three.reviews_only
    assert (three.low, three.high) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_error_at_all_leaves_room_for_some(seeds: int) -> None:
    correct = np.ones((seeds, 2000), dtype=bool)
    found = accuracy_interval(correct)
    assert found.high == 1 and found.low == pytest.approx(1 - 3.84 / 2000, abs=1e-5)
    # Of 200 movies only 200 answers are sure to be independent.
    groups = np.repeat(np.arange(200), 10)
    movie = accuracy_interval(correct, groups=groups)
    assert movie.low == pytest.approx(1 - 3.89 / 203.89, abs=1e-4) and movie.design_effect == 1
    # One error in a movie shows that they do not come by whole movies; half of it is believed.
    correct[:, 5] = False
    one = accuracy_interval(correct, groups=groups)
    _, high = wilson(1 / 2000, 2000 / ((1 + 10) / 2), stats.t.ppf(0.975, 199))
    assert one.low == pytest.approx(1 - high, rel=1e-4) and movie.low < one.low < one.mean < 1
    correct[:, 5] = True
    none = accuracy_interval(~correct, groups=groups)
    assert (none.low, none.high) == pytest.approx((0, 1 - movie.low))


def test_degrees_of_freedom_at_both_ends_are_satterthwaites() -> None:
    assert degrees_of_freedom(0.0, np.inf, 1.0, 99) == pytest.approx(99)
    assert degrees_of_freedom(1.0, 2, 0.0, 99) == 2
    assert degrees_of_freedom(0.0, np.inf, 0.0, np.inf) == np.inf
    assert 2 < degrees_of_freedom(1.0, 2, 1.0) < 2 / 0.5**2


@pytest.mark.parametrize(
    "correct",
    [np.ones(3, bool), np.ones((2, 3)), np.ones((0, 3), bool), np.ones((2, 1), bool)],
)
def test_other_arrays_are_refused_with_their_shape(correct: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be bool\[seeds, rows\]") as raised:
        accuracy_interval(correct)
    assert str(list(correct.shape)) in str(raised.value)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.arange(3), r"groups are int64\[3\] for 4 rows"),
        (np.arange(4) / 2, r"groups are float64\[4\] for 4 rows"),
        (np.full(4, 9), "all 4 rows are of group 9"),
    ],
)
def test_other_groups_are_refused(groups: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy_interval(SMALL, groups=groups)
