"""Means of word vectors, worked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from lit_models.vector_average_logreg import VectorAverageLogReg
from tests.batches import make_view

# Words 2, 3 and 5 have vectors; 4 has none; 0 and 1 are no words, whatever stands there.
VECTORS = np.array([[9, 9], [9, 9], [1, 0], [0, 2], [0, 0], [4, 4]], dtype=np.float32)
ROWS = [[2, 2, 3, 4], [2, 5], [4, 1]]
LABELS = [0, 1, 0]


def ragged(rows: list[list[int]]) -> Ragged:
    lengths = [len(row) for row in rows]
    return Ragged(
        np.array(sum(rows, []), dtype=np.int32), np.cumsum([0, *lengths]).astype(np.int64)
    )


def fitted(**options: object) -> tuple[VectorAverageLogReg, np.ndarray]:
    model = VectorAverageLogReg(**options)  # type: ignore[arg-type]
    view = make_view(ROWS, LABELS, len(VECTORS), VECTORS)
    model.prepare(view)
    return model, model.learn_features(view)


def test_the_mean_is_over_the_words_that_have_a_vector() -> None:
    model, features = fitted()
    expected = [[2 / 3, 2 / 3], [5 / 2, 2], [0, 0]]  # no known word: zeros
    assert np.allclose(features, expected, atol=1e-12) and features.dtype == np.float64
    unseen = model.features(ragged([[5, 5, 3], [0, 1, 4, 9], [3]]))
    assert np.allclose(unseen, [[8 / 3, 10 / 3], [0, 0], [0, 2]], atol=1e-12)
    assert np.isfinite(model.predict_proba(ragged([[4]]))).all()


def test_distinct_words_count_once() -> None:
    _, features = fitted(counting="distinct")
    assert np.allclose(features, [[1 / 2, 1], [5 / 2, 2], [0, 0]], atol=1e-12)


def test_sublinear_counts_grow_with_the_logarithm() -> None:
    _, features = fitted(counting="sublinear")
    twice = 1 + math.log(2)
    first = np.array([twice, 2]) / (twice + 1)
    assert np.allclose(features, [first, [5 / 2, 2], [0, 0]], atol=1e-12)


@pytest.mark.parametrize("name", ["weighting", "counting"])
def test_an_unknown_word_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=f"model.{name} is 'bm25'; choose one of (mean|all), "):
        fitted(**{name: "bm25"})


def test_tfidf_weights_rare_words_more() -> None:
    model, features = fitted(weighting="tfidf")
    often, once = math.log(4 / 3) + 1, math.log(4 / 2) + 1  # 2 is in two of three texts
    first = np.array([2 * often, 2 * once]) / (2 * often + once)
    second = (often * np.array([1, 0]) + once * np.array([4, 4])) / (often + once)
    assert np.allclose(features, [first, second, [0, 0]], atol=1e-12)
    assert np.allclose(model.weights, [often, once, once])


def test_it_predicts_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    model, _ = fitted(weighting="tfidf")
    model.save(tmp_path)
    rows = ragged([[2, 3], [5, 5, 4], [1]])
    loaded = VectorAverageLogReg.load(tmp_path)
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows))
    assert loaded.words.tolist() == [2, 3, 5]


def test_without_vectors_it_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="VectorAverageLogReg needs word vectors.*Word2Vec"):
        VectorAverageLogReg().prepare(make_view(ROWS, LABELS, 6))
