"""Weak groups: tests against references, their error rate, and bands of length."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from experiments.audit.weak_groups import (
    clustered_p,
    exact_p,
    files_of,
    length_bands,
    weak_groups,
)


def test_a_single_group_is_tested_as_fisher_does() -> None:
    table = [[11, 9], [880, 100]]
    expected = stats.fisher_exact(table, alternative="less").pvalue
    assert exact_p(1000, 891, np.array([20]), np.array([11])) == pytest.approx(expected)


def test_wide_groups_are_tested_as_by_a_regression_with_clusters() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(80), rng.integers(1, 12, size=80))
    correct = rng.random(len(clusters)) < rng.beta(8, 2, size=80)[clusters]
    inside = rng.random(len(clusters)) < 0.3
    fit = sm.OLS(correct.astype(float), sm.add_constant(inside.astype(float)))
    fit = fit.fit(cov_type="cluster", cov_kwds={"groups": clusters})
    rows = len(clusters)
    error = fit.bse[1] / np.sqrt((rows - 1) / (rows - 2))  # a factor that statsmodels adds
    expected = stats.t.cdf(fit.params[1] / error, 79)
    assert clustered_p(correct, inside, clusters) == pytest.approx(expected)


def test_equal_groups_are_rarely_weak_and_a_weak_one_is_found() -> None:
    rng, false = np.random.default_rng(1), 0
    movies = np.repeat(np.arange(100), 20)
    bands = rng.integers(5, size=2000)
    names = {n: f"{n}" for n in range(100)}
    for _ in range(40):
        correct = rng.random(2000) < 0.9
        kinds = {"movie": (movies, names), "words": (bands, names)}
        found, tested = weak_groups(correct, kinds, movies)
        assert tested == 105
        false += bool(found)
    assert false <= 6  # of 40 at 5%; the chance of more is below 1%
    correct[movies == 7] = np.arange(20) < 9
    correct[bands == 2] &= rng.random(2000)[bands == 2] < 0.85
    found, _ = weak_groups(correct, kinds, movies)
    assert {(one.kind, one.name) for one in found} == {("movie", "7"), ("words", "2")}
    movie = next(one for one in found if one.kind == "movie")
    assert (movie.rows, movie.accuracy <= 0.45) == (20, True) and movie.p < movie.p_holm < 0.05


def test_small_groups_and_a_single_one_are_not_tested() -> None:
    correct = np.zeros(30, dtype=bool)
    groups = np.array([0] * 9 + [-1] * 21)
    assert weak_groups(correct, {"author": (groups, {0: "a"})}, None) == ([], 0)
    every = np.zeros(30, dtype=np.int64)
    assert weak_groups(correct, {"author": (every, {0: "a"})}, None) == ([], 0)


def test_bands_and_files() -> None:
    bands, names = length_bands(np.array([1, 1, 1, 1, 1, 1, 5, 9, 9, 1200]))
    assert bands.tolist() == sorted(bands.tolist()) and len(names) == len(set(bands.tolist()))
    assert list(names.values())[0] == "1 to 1" and list(names.values())[-1].endswith("1,200")
    files, names = files_of(["a.csv:2", "b.csv:2", "a.csv:3", "train/neg/1_2"])
    assert files.tolist() == [0, 1, 0, -1] and (names[0], names[1]) == ("a.csv", "b.csv")
