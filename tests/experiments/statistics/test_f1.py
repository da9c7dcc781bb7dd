"""The interval of a mean F1: by hand, against a bootstrap, and where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t

from experiments.statistics.f1 import f1_difference, f1_interval
from tests.rows import make_tag_counts


def mean_f1(counts: NDArray[np.integer]) -> float:
    right, tagged, there = counts.reshape(-1, *counts.shape[-2:]).sum(axis=0).T
    return float((2 * right / (tagged + there)).mean())


def test_by_hand() -> None:
    # One kind, three texts: F1 is 2 (1 + 2 + 1) / (2 + 6 + 4) = 2/3.
    counts = np.array([[[[1, 1, 1]], [[2, 2, 4]], [[1, 3, 1]]]])
    found = f1_interval(counts)
    assert found is not None
    adds = np.array([2 - 2 / 3 * 2, 4 - 2 / 3 * 6, 2 - 2 / 3 * 4]) / 12
    half = t.ppf(0.975, 2) * np.sqrt(3 / 2 * (adds**2).sum())
    assert (found.low, found.mean, found.high) == pytest.approx((2 / 3 - half, 2 / 3, 2 / 3 + half))
    assert found.reviews_only and not f1_interval(counts, draws=False).reviews_only  # type: ignore[union-attr]


def resampled(
    counts: NDArray[np.integer], groups: NDArray[np.integer], draws: int = 4_000
) -> NDArray[np.float64]:
    """float[draws] mean F1 of groups drawn with replacement; counts int[N, C, 3]."""
    numbers = np.unique(groups, return_inverse=True)[1]
    size = numbers.max() + 1
    by_group = np.zeros((size, *counts.shape[1:]))
    np.add.at(by_group, numbers, counts)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(size, np.full(size, 1 / size), draws)
    right, tagged, there = np.einsum("dg,gck->kdc", weights, by_group)
    scores: NDArray[np.float64] = (2 * right / (tagged + there)).mean(axis=1)
    return scores


def test_it_is_that_of_a_bootstrap_over_groups() -> None:
    made = make_tag_counts(n=900, groups=300)
    assert made.groups is not None
    counts = made.counts[:, :3]
    found = f1_interval(counts[None], made.groups)
    assert found is not None and found.mean == pytest.approx(mean_f1(counts))
    low, high = np.quantile(resampled(counts, made.groups), [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.05 * (high - low))
    assert found.high == pytest.approx(high, abs=0.05 * (high - low))


def test_a_difference_is_that_of_a_paired_bootstrap() -> None:
    one, two = make_tag_counts(1, 900, groups=300, skill=0.62), make_tag_counts(2, 900, groups=300)
    assert one.groups is not None
    pair = [made.counts[:, :3] for made in (one, two)]
    found = f1_difference(pair[0][None], pair[1][None], one.groups)
    assert found is not None and found.mean == pytest.approx(mean_f1(pair[0]) - mean_f1(pair[1]))
    draws = resampled(pair[0], one.groups) - resampled(pair[1], one.groups)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.06 * (high - low))
    assert found.high == pytest.approx(high, abs=0.06 * (high - low))
    same = f1_difference(pair[0][None], pair[0][None], one.groups)
    assert same is not None and (same.low, same.high) == (0.0, 0.0)


def test_two_seeds_widen_it() -> None:
    one, two = (make_tag_counts(seed, 200, skill=skill) for seed, skill in ((1, 0.5), (2, 0.7)))
    single = f1_interval(one.counts[None, :, :3], one.groups)
    both = f1_interval(np.stack([one.counts, two.counts])[:, :, :3], one.groups)
    assert single is not None and both is not None and not both.reviews_only
    assert both.high - both.low > 2 * (single.high - single.low)
    scores = [mean_f1(made.counts[:, :3]) for made in (one, two)]
    assert both.mean == pytest.approx(np.mean(scores))
    assert both.sd == pytest.approx(np.std(scores, ddof=1))


def test_kinds_that_do_not_occur_do_not_count() -> None:
    counts = np.array([[[[1, 1, 1], [0, 0, 0]], [[2, 2, 4], [0, 0, 0]]]])
    alone, both = f1_interval(counts[:, :, :1]), f1_interval(counts)
    assert alone is not None and both is not None
    assert (both.low, both.mean, both.high) == (alone.low, alone.mean, alone.high)
    nothing = np.zeros((1, 2, 1, 3), dtype=np.int64)
    assert f1_interval(nothing) is None and f1_difference(nothing, counts[:, :, :1]) is None


def test_one_group_tells_nothing() -> None:
    counts = np.ones((1, 3, 1, 3), dtype=np.int64)
    assert f1_interval(counts, np.zeros(3, dtype=np.int64)) is None
