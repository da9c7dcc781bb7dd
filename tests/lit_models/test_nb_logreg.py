"""NB-LogReg: features of a hand-worked case, and the whole against scikit-learn's own parts."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from math import log, sqrt
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import normalize

from datamodules.store.ragged import Ragged
from lit_models.nb_logreg import NBLogReg
from tests.batches import make_view, random_rows

ROWS = random_rows([5, 9, 14, 20, 8, 11, 30, 2, 17], 9, seed=3)
OTHERS = [*random_rows([1, 2, 30], 12, seed=4), ROWS[2]]


def fitted(rows: list[list[int]], labels: list[int], **settings: Any) -> NBLogReg:
    model = NBLogReg(**({"min_df": 1, "num_classes": max(labels) + 1} | settings))
    model.prepare(make_view(rows, labels, 12))
    return model


def ragged(rows: list[list[int]]) -> Ragged:
    return make_view(rows, [0] * len(rows), 12).tokens


def texts(rows: list[list[int]]) -> list[str]:
    return [" ".join(f"w{token}" for token in row) for row in rows]


def test_features_of_a_hand_worked_case() -> None:
    # Class 0: "2 3 2"; class 1: "2 4" and "4". Texts that have the words 2, 3, 4, plus 1:
    # class 0: 2, 2, 1 of 5; class 1: 2, 1, 3 of 6.
    two, three, four = log((2 / 6) / (2 / 5)), log((1 / 6) / (2 / 5)), log((3 / 6) / (1 / 5))
    rows, labels = [[2, 3, 2], [2, 4], [4]], [0, 1, 1]
    model = fitted(rows, labels, ngrams=1, normalized=False)
    found = model.features(ragged([[4, 3, 4], [2], [9]])).toarray()
    assert np.allclose(found, [[0, three, four], [two, 0, 0], [0, 0, 0]])
    model = fitted(rows, labels, ngrams=1)
    length = sqrt(three**2 + four**2)
    expected = [[0, three / length, four / length], [-1, 0, 0], [0, 0, 0]]
    assert np.allclose(model.features(ragged([[4, 3, 4], [2], [9]])).toarray(), expected)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_scikit_learns_parts(classes: int, normalized: bool) -> None:
    labels = np.arange(len(ROWS)) % classes
    counter = CountVectorizer(binary=True, ngram_range=(1, 3), token_pattern=r"\S+")
    train = counter.fit_transform(texts(ROWS)).toarray()
    others = counter.transform(texts(OTHERS)).toarray()
    of_class = []
    for label in range(classes):
        bayes = MultinomialNB(alpha=0.5).fit(train, labels == label)
        ratios = bayes.feature_log_prob_[1] - bayes.feature_log_prob_[0]
        pair = [
            normalize(counts * ratios) if normalized else counts * ratios
            for counts in (train, others)
        ]
        theirs = LogisticRegression(C=2.0, max_iter=500, tol=1e-10).fit(pair[0], labels == label)
        of_class.append(theirs.predict_proba(pair[1])[:, 1])
    expected = np.stack(of_class, axis=1)
    expected /= expected.sum(axis=1, keepdims=True)  # of two classes they add up to 1 already
    settings = {"smoothing": 0.5, "C": 2.0, "normalized": normalized, "max_iter": 500}

    class Exact(NBLogReg):
        def make_estimator(self) -> Any:
            return super().make_estimator().set_params(tol=1e-10)

    ours = Exact(min_df=1, num_classes=classes, **settings)
    ours.prepare(make_view(ROWS, labels.tolist(), 12))
    assert np.allclose(ours.predict_proba(ragged(OTHERS)), expected, atol=1e-6)


def test_a_class_without_a_training_text_is_never_predicted(tmp_path: Path) -> None:
    model = NBLogReg(min_df=1, num_classes=4)
    model.prepare(replace(make_view(ROWS, [0, 1, 3] * 3, 12), num_classes=4))
    found = model.predict_proba(ragged(OTHERS))
    assert found.shape == (len(OTHERS), 4)
    assert found[:, 2].max() < 1e-9
    assert np.allclose(found.sum(axis=1), 1)
    model.save(tmp_path)
    assert np.array_equal(NBLogReg.load(tmp_path).predict_proba(ragged(OTHERS)), found)


def test_a_model_of_an_earlier_version_predicts_as_it_did() -> None:
    labels = [0, 1, 2] * 3
    model = fitted(ROWS, labels)
    features = model.features(ragged(ROWS))
    assert features.shape[1] == 3 * len(model.counter.keys)
    model.estimator = LogisticRegression(C=2.0).fit(features, labels)
    expected = model.estimator.predict_proba(model.features(ragged(OTHERS)))
    assert np.array_equal(model.predict_proba(ragged(OTHERS)), expected)


def test_a_smoothing_that_gives_no_finite_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.smoothing is 0.0; it must be above 0"):
        NBLogReg(smoothing=0.0)


@pytest.mark.parametrize("name", ["ngrams", "min_df", "max_features"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"model.{name} is 0; it must be at least 1"):
        NBLogReg(**{name: 0})


def test_ngrams_of_the_last_words_have_ratios_of_their_own(tmp_path: Path) -> None:
    # Class 0: "2 3" and "3"; class 1: "3 2". Texts that have 2 or 3, plus 1: class 0: 2, 3 of 5;
    # class 1: 2, 2 of 4. Texts that end with 2 or 3, plus 1: class 0: 1, 3; class 1: 2, 1. The
    # features of both share one sum: 9 and 7.
    model = fitted([[2, 3], [3], [3, 2]], [0, 0, 1], ngrams=1, normalized=False, last_words=1)
    ends = [log((2 / 7) / (1 / 9)), log((1 / 7) / (3 / 9))]
    whole = [log((2 / 7) / (2 / 9)), log((2 / 7) / (3 / 9))]
    found = model.features(ragged([[2, 3, 4, 2], [2, 9], [3]])).toarray()
    expected = [[ends[0], 0, *whole], [0, 0, whole[0], 0], [0, ends[1], 0, whole[1]]]
    assert np.allclose(found, expected)
    model.save(tmp_path)
    loaded = NBLogReg.load(tmp_path)
    assert np.array_equal(loaded.features(ragged([[2, 3, 4, 2], [2, 9], [3]])).toarray(), found)
    with pytest.raises(ValueError, match="model.last_words is -1; it must be at least 0"):
        NBLogReg(last_words=-1)


def test_one_device_alone() -> None:
    model = fitted(ROWS, [0, 1, 1] * 3)

    class Two:
        world_size = 2

    model._trainer = Two()
    with pytest.raises(ValueError, match="NBLogReg fits on one process, not 2"):
        model.prepare(make_view(ROWS, [0, 1, 1] * 3, 12))


def test_its_cost_grows_with_the_number_of_classes_and_not_with_its_square() -> None:
    rng = np.random.default_rng(0)
    rows = [[2 + row % 120, *rng.integers(122, 300, 6).tolist()] for row in range(480)]

    def fit(classes: int) -> tuple[float, NBLogReg]:
        model, view = (
            NBLogReg(num_classes=classes, ngrams=1, min_df=2),
            make_view(rows, [row % classes for row in range(480)], 300),
        )
        before = process_time()
        model.prepare(view)
        return process_time() - before, model

    fit(15)  # libraries are loaded
    (few_seconds, few), (many_seconds, many) = fit(15), fit(120)
    assert many.estimator.coef_.size == 8 * few.estimator.coef_.size
    assert many_seconds < 20 * few_seconds  # 64 times, if it grew with the square


def test_weighted_features_take_the_memory_of_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lit_models.nb_logreg._VALUES", 2**14)
    model = NBLogReg(num_classes=2)
    model.ratios = np.linspace(-1, 1, 2000)[None]
    some = np.random.default_rng(0).random((1000, 2000)) < 0.5
    counts = sp.csr_matrix(some, dtype=np.float32)
    columns = counts.indices.copy()
    tracemalloc.start()
    try:
        weighted = model._weighted(counts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6, f"{peak / 1e6:.1f} MB beside 8 MB of counts"
    expected = normalize(sp.csr_matrix((model.ratios[0][columns], columns, counts.indptr)))
    assert np.allclose(weighted.toarray(), expected.toarray(), atol=1e-6)
