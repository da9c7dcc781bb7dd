"""CooccurrenceSVD: its matrix by hand, its factors at full rank; topics apart."""

from __future__ import annotations

from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors.base import frequent_words
from datamodules.vectors.cooccurrence import cooccurrences
from datamodules.vectors.cooccurrence_svd import CooccurrenceSVD, positive_information
from tests.datamodules.vectors.test_word2vec import WORDS, data, named, two_topics

# C of three words: each of the first two near the others; sums 12, 9 and 7.
COUNTS = sp.csr_matrix(np.array([[2, 8, 2], [8, 0, 1], [2, 1, 4]], dtype=np.float32))


def test_information_is_that_worked_out_by_hand() -> None:
    found = positive_information(COUNTS, smoothing=1.0).toarray()
    # ln P(w, c) / (P(w) P(c)) = ln 28 C(w, c) / (C(w) C(c)); the others are below 0
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = log(28 * 8 / (12 * 9))
    expected[2, 2] = log(28 * 4 / (7 * 7))
    assert np.allclose(found, expected, atol=1e-6)


def test_smoothing_takes_information_from_rare_neighbours() -> None:
    plain, smooth = (positive_information(COUNTS, a).toarray() for a in (1.0, 0.5))
    total = sqrt(12) + sqrt(9) + sqrt(7)
    assert smooth[0, 1] == pytest.approx(log(8 / 12 * total / sqrt(9)))
    assert smooth[1, 0] == pytest.approx(log(8 / 9 * total / sqrt(12)))
    assert smooth[2, 2] == pytest.approx(log(4 / 7 * total / sqrt(7)))
    assert smooth[2, 2] < plain[2, 2], "7 is the lowest sum"


def test_pairs_that_never_occur_are_not_stored() -> None:
    found = positive_information(COUNTS, 0.75)
    assert found.nnz == (found.toarray() > 0).sum() < COUNTS.nnz


def test_at_full_rank_inner_products_are_those_of_the_matrix() -> None:
    texts = two_topics(40)
    tokens, frequent = frequent_words(texts, 2)
    matrix = positive_information(cooccurrences(frequent, len(tokens), 2), 0.75).toarray()
    how = CooccurrenceSVD(len(tokens), window=2, min_count=2, power=1.0)
    found, values = how.learn(texts, WORDS, seed=0)
    assert found.tolist() == tokens.tolist()
    assert np.allclose(values @ values.T, matrix @ matrix.T, atol=1e-4)
    flat = CooccurrenceSVD(len(tokens), window=2, min_count=2, power=0.0).learn(texts, WORDS, 0)[1]
    norms = np.linalg.norm(flat, axis=0)
    assert np.allclose(norms[np.linalg.norm(values, axis=0) > 1e-4], 1, atol=1e-4)


def test_words_of_one_topic_are_near_one_another() -> None:
    tokens, values = CooccurrenceSVD(2, window=3, min_count=2).learn(two_topics(), WORDS, seed=0)
    assert tokens.tolist() == [1, *range(2, 7), *range(12, 17)], "20 occurs once"
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    within, across = unit[1:6] @ unit[1:6].T, unit[1:6] @ unit[6:].T
    assert within.min() > across.max() + 0.1


def test_the_same_seed_gives_the_same_vectors() -> None:
    rng = np.random.default_rng(0)  # many words, of which few dimensions are an approximation
    words = (300 * rng.random(20_000) ** 3).astype(np.int32)
    texts = Ragged(words, np.arange(0, 20_001, 20))
    how = CooccurrenceSVD(5)
    first, again, other = (how.learn(texts, [], seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_only_words_of_training_rows_have_vectors(tmp_path: Path) -> None:
    words = set(named(data(tmp_path, vectors=CooccurrenceSVD(4, min_count=1))))
    assert {f"train{row}" for row in range(30)} <= words
    assert not {f"train{row}" for row in range(30, 40)} & words, "validation"
    assert not any(word.startswith("test") for word in words)


def test_a_dim_above_the_number_of_words_is_refused() -> None:
    with pytest.raises(DataError, match="dim is 128, and 11 words occur 5 times.*lower dim"):
        CooccurrenceSVD().learn(two_topics(50), WORDS, 0)


@pytest.mark.parametrize("lengths", [[], [0, 0], [3, 4]])
def test_a_min_count_that_leaves_nothing_is_an_error(lengths: list[int]) -> None:
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    texts = Ragged(np.full(offsets[-1], 2, dtype=np.int32), offsets)
    with pytest.raises(DataError, match=f"no word occurs 9 times in the {len(lengths)} texts"):
        CooccurrenceSVD(1, min_count=9).learn(texts, WORDS, 0)


def test_texts_of_one_word_each_are_an_error() -> None:
    texts = Ragged(np.full(6, 2, dtype=np.int32), np.arange(7))
    with pytest.raises(DataError, match="no two of the 1 words of the 6 texts are within 5 words"):
        CooccurrenceSVD(1).learn(texts, WORDS, 0)


@pytest.mark.parametrize("name", ["dim", "window", "min_count"])
def test_sizes_below_one_are_refused(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        CooccurrenceSVD(**options)


@pytest.mark.parametrize("name", ["smoothing", "power"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_shares_outside_0_to_1_are_refused(name: str, value: float) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"{name} is {value}; it must be from 0 to 1"):
        CooccurrenceSVD(**options)
