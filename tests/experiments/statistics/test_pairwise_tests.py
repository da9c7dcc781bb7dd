"""Pairwise tests, against statsmodels, scipy and published examples."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar
from statsmodels.stats.multitest import multipletests

from experiments.statistics.pairwise_tests import differences, holm_correction, mcnemar


def runs(seeds: int, reviews: int = 400, accuracy: float = 0.8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, reviews)) < accuracy


def sided(both: int, first: int, second: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    """Two runs with these counts of reviews that both, one, the other, none gets right."""
    counts = (both, first, second, none)
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
    )


def test_mid_p_of_the_published_example() -> None:
    # Fagerland, Lydersen and Laake 2013, airway hyper-responsiveness before and after stem cell
    # transplantation: exact conditional p = .070, mid-p = .039.
    assert mcnemar(*sided(1, 1, 7, 12)) == pytest.approx(0.0390625)


@pytest.mark.parametrize("counts", [(50, 9, 4, 3), (5, 3, 3, 1), (90, 30, 55, 10), (4, 0, 6, 0)])
def test_mid_p_is_statsmodels_exact_p_less_the_observed_probability(counts: tuple) -> None:
    both, first, second, none = counts
    exact = exact_mcnemar([[both, first], [second, none]], exact=True).pvalue
    observed = stats.binom.pmf(min(first, second), first + second, 0.5)
    # Where the sides are equal the exact p is cut at 1 and has lost what is to be taken off.
    expected = 1.0 if first == second else exact - observed
    assert mcnemar(*sided(*counts)) == pytest.approx(expected)


def test_runs_that_never_differ() -> None:
    run = runs(1)[0]
    assert mcnemar(run, run) == 1
    [pair] = differences({"a": run[None], "b": run[None]})
    assert (pair.difference, pair.low, pair.high, pair.p, pair.different) == (0, 0, 0, 1, False)


def test_holm_is_that_of_statsmodels_and_of_a_hand_computed_example() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm_correction(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    p = np.random.default_rng(0).random(40) ** 4
    assert holm_correction(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_one_seed_each_is_the_paired_test() -> None:
    first, second = runs(1, seed=1), runs(1, accuracy=0.75, seed=2)
    [pair] = differences({"first": first, "second": second})
    gaps = first[0] * 1.0 - second[0]
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    assert pair.difference == pytest.approx(gaps.mean())
    assert pair.high == pytest.approx(gaps.mean() + 1.959964 * error)
    assert pair.p == pytest.approx(2 * stats.norm.sf(abs(gaps.mean()) / error))
    assert pair.mcnemar == pytest.approx(mcnemar(first[0], second[0]))
    assert pair.reviews_only


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
    # rest of `first`, .125 / 2 (see test_intervals), over 4.
    seeds, reviews = 0.015625, (0.2291667 - 0.0625) / 4
    half = stats.t.ppf(0.75, (seeds + reviews) / seeds) * np.sqrt(seeds + reviews)
    assert pair.difference == 0.375
    assert (pair.low, pair.high) == pytest.approx((0.375 - half, 0.375 + half))


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


def test_mcnemar_takes_runs_of_equal_seed() -> None:
    first, second = runs(2, seed=1), runs(2, seed=2)
    [pair] = differences({"a": first, "b": second}, seeds={"a": (0, 4), "b": (4, 7)})
    assert pair.mcnemar == pytest.approx(mcnemar(first[1], second[0]))
    [pair] = differences({"a": first, "b": second}, seeds={"a": (0, 4), "b": (4, 0)})
    assert pair.mcnemar == pytest.approx(mcnemar(first[0], second[1]))
    [pair] = differences({"a": first, "b": second}, seeds={"a": (0, 1), "b": (4, 7)})
    assert pair.mcnemar is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="'a': 400, 'b': 300"):
        differences({"a": runs(1), "b": runs(1, 300)})
    with pytest.raises(ValueError, match=r"b: 2 rows with seeds \[0\]"):
        differences({"a": runs(1), "b": runs(2)}, seeds={"a": (0,), "b": (0,)})
