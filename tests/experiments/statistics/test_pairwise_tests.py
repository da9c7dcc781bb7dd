"""Pairwise tests, against statsmodels, scipy and figures worked out by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from experiments.statistics.pairwise_tests import differences, holm_correction
from experiments.statistics.seeds import pool, seed_variance
from experiments.statistics.sign_flip import sign_flip
from experiments.statistics.totals import count

MOVIES = np.repeat(np.arange(90), np.arange(90) % 9 + 1)[:400] * 7


def runs(seeds: int, reviews: int = 400, accuracy: float = 0.8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, reviews)) < accuracy


def by_movie(seeds: int, accuracy: float, seed: int) -> np.ndarray:
    """Runs whose movies differ in difficulty."""
    generator = np.random.default_rng(seed)
    easy = generator.normal(0, 0.7, 700)[MOVIES]
    return generator.normal(0, 1, (seeds, 400)) + easy < stats.norm.ppf(accuracy)


def test_runs_that_never_differ() -> None:
    run = runs(1)[0]
    [pair] = differences({"a": run[None], "b": run[None]}, groups=MOVIES)
    assert (pair.difference, pair.low, pair.high, pair.p, pair.different) == (0, 0, 0, 1, False)
    assert pair.sign_flip == 1


def test_runs_that_always_differ() -> None:
    right = np.ones((1, 10), bool)
    [pair] = differences({"a": right, "b": ~right}, deterministic=("a", "b"))
    assert (pair.low, pair.high, pair.p, pair.different) == (1, 1, 0, True)


def test_holm_is_that_of_statsmodels_and_of_a_hand_computed_example() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm_correction(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    p = np.random.default_rng(0).random(40) ** 4
    assert holm_correction(p) == pytest.approx(multipletests(p, method="holm")[1])


@pytest.mark.parametrize("groups", [None, MOVIES])
def test_one_seed_each_is_the_cluster_robust_test_of_statsmodels(groups: np.ndarray | None) -> None:
    first, second = by_movie(1, 0.8, 1), by_movie(1, 0.72, 2)
    [pair] = differences({"first": first, "second": second}, groups=groups)
    gaps = first[0] * 1.0 - second[0]
    numbers = np.arange(400) if groups is None else groups
    fit = OLS(gaps, np.ones(400)).fit(cov_type="cluster", cov_kwds={"groups": numbers}, use_t=True)
    assert pair.difference == pytest.approx(gaps.mean())
    # Degrees of freedom: 2 · squares² / (fourth powers - squares² / G), at most G - 1.
    sums = np.bincount(np.unique(numbers, return_inverse=True)[1], weights=gaps - gaps.mean())
    squares, fourths, many = (sums**2).sum(), (sums**4).sum(), len(sums)
    freedom = min(2 * squares**2 / (fourths - squares**2 / many), many - 1)
    assert pair.high == pytest.approx(gaps.mean() + stats.t.ppf(0.975, freedom) * fit.bse.item())
    statistic = gaps.mean() / fit.bse.item()
    assert pair.p == pytest.approx(2 * stats.t.sf(abs(statistic), freedom))


def test_a_few_reviews_that_differ_are_not_a_thousand() -> None:
    # 5 of 1,000 reviews, all in favour: McNemar's exact test says 2 / 2^5 = .0625.
    first = np.ones((1, 1000), bool)
    second = first.copy()
    second[0, :5] = False
    [pair] = differences({"a": first, "b": second})
    assert pair.sign_flip == pytest.approx(0.0625)
    assert 0.04 < pair.p < 0.0625


def test_seeds_alone_give_welchs_test() -> None:
    # Reviews on which all runs of an experiment behave alike but for their number leave the
    # seeds' part alone: Welch's t-test on the accuracies.
    reviews = np.arange(200)
    first = np.array([reviews < cut for cut in (150, 160, 173)])
    second = np.array([reviews < cut for cut in (140, 144, 149, 171)])
    [pair] = differences({"first": first, "second": second})
    expected = stats.ttest_ind(first.mean(1), second.mean(1), equal_var=False)
    assert pair.reviews_only is False
    # The reviews add a little, so p is no smaller; and it is near.
    assert expected.pvalue <= pair.p <= expected.pvalue + 0.1


def test_the_two_parts_by_hand() -> None:
    first = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
    second = np.array([[1, 0, 0, 0]], dtype=bool)
    [pair] = differences({"first": first, "second": second}, level=0.5)
    # Seeds: .03125 / 2, one degree. Reviews: the gaps 0, 1, .5, 0 vary by .2291667, less the
    # rest of `first`, .125 / 2 (see test_intervals), over 4. They are off .375 by .375, .625, .125
    # and .375: squares .6875, fourth powers .1923828, so 2 · .6875² / (.1923828 - .6875² / 4)
    # degrees of freedom, which is above 3.
    seeds, reviews = 0.015625, (0.2291667 - 0.0625) / 4
    freedom = (seeds + reviews) / (seeds + reviews / 3)
    half = stats.t.ppf(0.75, freedom) * np.sqrt(seeds + reviews)
    assert pair.difference == 0.375
    assert (pair.low, pair.high) == pytest.approx((0.375 - half, 0.375 + half))


def test_all_models_share_the_variance_over_seeds() -> None:
    correct = {str(seed): by_movie(3, 0.8, seed) for seed in range(6)}
    pairs = differences(correct, groups=MOVIES)
    models = [count(array, MOVIES) for array in correct.values()]
    shared = pool(models)
    seeds = [seed_variance(model, shared)[0] for model in models]
    own = [model.accuracies.var(ddof=1) / 3 for model in models]
    assert all(one >= other for one, other in zip(seeds, own, strict=True))
    assert max(own) == max(seeds) and min(seeds) > 1.5 * min(own)
    # A table of its own knows less of the two models, and takes their variances as they are.
    [alone] = differences({name: correct[name] for name in "01"}, groups=MOVIES)
    assert alone.difference == pairs[0].difference and alone.p != pairs[0].p


def test_all_pairs_in_order_corrected_together() -> None:
    correct = {"a": runs(3, seed=1), "b": runs(3, accuracy=0.7, seed=2), "c": runs(2, seed=3)}
    pairs = differences(correct)
    assert [(d.first, d.second) for d in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    corrected = multipletests([d.p for d in pairs], method="holm")[1]
    assert [d.p_holm for d in pairs] == pytest.approx(list(corrected))
    assert [d.different for d in pairs] == [p <= 0.05 for p in corrected] == [True, False, True]
    turned = differences(dict(reversed(correct.items())))
    assert turned[-1].difference == -pairs[0].difference
    assert turned[-1].p == pytest.approx(pairs[0].p)
    assert differences({"a": runs(2)}) == []


def test_neither_the_order_of_rows_nor_the_numbers_of_groups_matter() -> None:
    correct = {name: by_movie(3, 0.8, seed) for seed, name in enumerate("abcd")}
    expected = differences(correct, groups=MOVIES)
    generator = np.random.default_rng(1)
    order = generator.permutation(400)
    renamed = generator.permutation(700)[MOVIES]
    shuffled = {name: array[:, order] for name, array in correct.items()}
    for found in (
        differences(shuffled, groups=MOVIES[order]),
        differences(correct, groups=renamed),
    ):
        for one, other in zip(found, expected, strict=True):
            assert (one.p, one.low, one.sign_flip) == pytest.approx(
                (other.p, other.low, other.sign_flip), rel=1e-9
            )
    alone, single = differences(correct), differences(correct, groups=renamed * 400 + order)
    assert [d.p for d in single] == pytest.approx([d.p for d in alone], rel=1e-9)
    assert [d.p for d in alone] != pytest.approx([d.p for d in expected], rel=1e-3)


def test_one_seed_of_a_model_that_draws_is_not_tested() -> None:
    correct = {"a": runs(3, seed=1), "b": runs(3, accuracy=0.6, seed=2), "one": runs(1, 400, 0.4)}
    pairs = {(d.first, d.second): d for d in differences(correct)}
    for name in "ab":
        pair = pairs[name, "one"]
        assert pair.reviews_only and not pair.different and pair.p_holm == 1 and pair.p < 1e-4
    # The pair that is tested is not corrected for those that are not.
    assert pairs["a", "b"].p_holm == pytest.approx(pairs["a", "b"].p)
    # A model that no seed changes is known after one run.
    fixed = {(d.first, d.second): d for d in differences(correct, deterministic={"one"})}
    assert fixed["a", "one"].different and not fixed["a", "one"].reviews_only
    near = differences({**correct, "one": runs(1, 400, 0.61, 9)}, deterministic={"one"})
    assert near[0].p_holm >= 2 * pairs["a", "b"].p_holm


def test_the_sign_flip_test_takes_runs_of_equal_seed() -> None:
    first, second = by_movie(2, 0.8, 1), by_movie(2, 0.75, 2)

    def expected(one: int, two: int) -> float:
        gaps = first[one] * 1.0 - second[two]
        return sign_flip(np.bincount(MOVIES, weights=gaps))

    for seeds, rows in (((4, 7), (1, 0)), ((4, 0), (0, 1))):
        [pair] = differences({"a": first, "b": second}, 0.95, {"a": (0, 4), "b": seeds}, MOVIES)
        assert pair.sign_flip == pytest.approx(expected(*rows))
    [pair] = differences({"a": first, "b": second}, seeds={"a": (0, 1), "b": (4, 7)})
    assert pair.sign_flip is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="'a': 400, 'b': 300"):
        differences({"a": runs(1), "b": runs(1, 300)})
    with pytest.raises(ValueError, match=r"b: 2 rows with seeds \[0\]"):
        differences({"a": runs(1), "b": runs(2)}, seeds={"a": (0,), "b": (0,)})
