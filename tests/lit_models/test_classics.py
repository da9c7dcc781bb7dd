"""Naive Bayes, the SVM and the forests: against scikit-learn's own parts, by the run's seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from datamodules.store.ragged import Ragged
from lit_models.base.estimator import ESTIMATOR_FILE, LitEstimator
from lit_models.bow_forest import BowForest
from lit_models.linear_svm import LinearSVM
from lit_models.naive_bayes import NaiveBayes
from lit_models.tfidf_forest import TfidfForest
from tests.batches import make_view, random_rows

LENGTHS = [3 + number % 40 for number in range(60)]
TRAIN = random_rows(LENGTHS, 30, seed=1)
LABELS = [int(2 in row) for row in TRAIN]
OTHER = random_rows([1, 5, 9, 30, 80], 33, seed=2)
SMALL_FOREST = {"n_estimators": 7, "max_features": 20}


def fitted(kind: type[LitEstimator], seed: int = 0, **settings: Any) -> LitEstimator:
    torch.manual_seed(seed)
    model = kind(**settings)
    model.prepare(make_view(TRAIN, LABELS, 33))
    return model


def ragged(rows: list[list[int]]) -> Ragged:
    return make_view(rows, [0] * len(rows), 33).tokens


def texts(rows: list[list[int]]) -> list[str]:
    return [" ".join(f"w{token}" for token in row) for row in rows]


@pytest.mark.parametrize("binary", [True, False])
def test_naive_bayes_is_that_of_scikit_learn(binary: bool) -> None:
    model = fitted(NaiveBayes, ngrams=2, min_df=2, binary=binary, smoothing=0.4)
    counter = CountVectorizer(binary=binary, ngram_range=(1, 2), min_df=2, token_pattern=r"\S+")
    theirs = MultinomialNB(alpha=0.4).fit(counter.fit_transform(texts(TRAIN)), LABELS)
    expected = theirs.predict_proba(counter.transform(texts(OTHER)))
    assert np.allclose(model.predict_proba(ragged(OTHER)), expected, atol=1e-9)
    ngrams = len(counter.vocabulary_)
    assert model.parameter_count == 2 * ngrams + 2


def test_the_svm_decides_as_scikit_learns_on_all_rows_would() -> None:
    model = fitted(LinearSVM, ngrams=2, min_df=1, C=0.5)
    weights = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    theirs = LinearSVC(C=0.5, tol=1e-8, max_iter=100_000)
    theirs.fit(weights.fit_transform(texts(TRAIN)), LABELS)
    rows = TRAIN + OTHER
    scores = theirs.decision_function(weights.transform(texts(rows)))
    found = model.predict_proba(ragged(rows))[:, 1]
    calibrated = model.estimator.steps[-1][1].calibrated_classifiers_
    assert len(calibrated) == 1  # the machines of the folds are gone
    (platt,) = calibrated[0].calibrators
    assert platt.a_ < 0  # a higher score is a higher probability
    assert np.allclose(found, 1 / (1 + np.exp(platt.a_ * scores + platt.b_)), atol=2e-3)
    assert model.parameter_count == theirs.coef_.size + len(weights.idf_) + 1 + 2


def test_the_svms_probabilities_are_not_those_of_the_rows_it_was_fitted_to() -> None:
    # Labels drawn at random: fitted rows are all right, unseen ones half, and so sure is it.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60).tolist()
    model = LinearSVM(ngrams=2, min_df=1, C=100.0)
    model.prepare(make_view(TRAIN, labels, 33))
    found = model.predict_proba(ragged(random_rows([30] * 200, 33, seed=5)))
    assert found.max(axis=1).mean() < 0.75


@pytest.mark.parametrize("kind", [BowForest, TfidfForest])
def test_a_forest_is_that_of_scikit_learn_on_the_most_frequent_words(
    kind: type[LitEstimator],
) -> None:
    model = fitted(kind, seed=3, **SMALL_FOREST, min_df=1)
    vectorizer = CountVectorizer if kind is BowForest else TfidfVectorizer
    # In the order of the model's columns, for forks choose columns by number.
    names = [f"w{key - 1}" for key in model.counter.keys.tolist()]  # type: ignore[attr-defined]
    counter = vectorizer(vocabulary=names, token_pattern=r"\S+")
    assert len(names) == 20
    theirs = RandomForestClassifier(7, random_state=3)
    theirs.fit(counter.fit_transform(texts(TRAIN)), LABELS)
    expected = theirs.predict_proba(counter.transform(texts(OTHER)))
    assert np.allclose(model.predict_proba(ragged(OTHER)), expected)
    trees = [estimator.tree_ for estimator in theirs.estimators_]
    values = sum(2 * (t.children_left >= 0).sum() + 2 * (t.children_left < 0).sum() for t in trees)
    assert model.parameter_count == values + (20 if kind is TfidfForest else 0)


def test_the_runs_seed_grows_the_forest_and_nothing_else_does() -> None:
    def grown(seed: int, threads: int = 1) -> np.ndarray:
        np.random.seed(threads)  # what was drawn before must not matter
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return fitted(BowForest, seed, **SMALL_FOREST).predict_proba(ragged(OTHER))
        finally:
            torch.set_num_threads(before)

    assert np.array_equal(grown(0), grown(0, threads=2))
    assert not np.array_equal(grown(0), grown(1))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (LinearSVM, {"folds": 1}, "model.folds is 1; it must be at least 2"),
        (NaiveBayes, {"smoothing": 0.0}, "model.smoothing is 0.0; it must be above 0"),
        (BowForest, {"n_estimators": 0}, "model.n_estimators is 0; it must be at least 1"),
        (
            TfidfForest,
            {"min_samples_leaf": 0},
            "model.min_samples_leaf is 0; it must be at least 1",
        ),
        (BowForest, {"max_features": 0}, "model.max_features is 0; it must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(
    kind: type[LitEstimator], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**settings)


@pytest.mark.parametrize("kind", [NaiveBayes, LinearSVM, BowForest])
def test_a_vocabulary_that_min_df_empties_is_an_error(kind: type[LitEstimator]) -> None:
    with pytest.raises(ValueError, match="min_df 99 leaves no n-gram of the 60 texts"):
        fitted(kind, min_df=99)


@pytest.mark.parametrize("kind", [NaiveBayes, LinearSVM, BowForest])
def test_one_class_alone_is_an_error(kind: type[LitEstimator]) -> None:
    model = kind(min_df=1)
    with pytest.raises(ValueError, match=r"1 texts of class \[0\] alone; .* at least two"):
        model.prepare(make_view([[2, 3]], [0], 33))


def test_the_svm_needs_two_texts_of_each_class_and_no_more() -> None:
    rows, model = TRAIN[:6], LinearSVM(min_df=1)
    with pytest.raises(ValueError, match="a class has 1 train text"):
        model.prepare(make_view(rows, [0, 1, 1, 1, 1, 1], 33))
    model.prepare(make_view(rows, [0, 0, 1, 1, 1, 1], 33))
    assert model.predict_proba(ragged(OTHER)).shape == (5, 2)


@pytest.mark.parametrize("kind", [LinearSVM, TfidfForest])
def test_only_written_types_are_built(
    kind: type[LitEstimator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(kind)
    model.save(tmp_path)
    found = skops.io.get_untrusted_types(file=tmp_path / ESTIMATOR_FILE)
    assert set(found) == set(kind.trusted_types)
    expected = model.predict_proba(ragged(OTHER))
    assert np.array_equal(kind.load(tmp_path).predict_proba(ragged(OTHER)), expected)
    monkeypatch.setattr(kind, "trusted_types", [])
    with pytest.raises(TypeError, match="Untrusted types"):
        kind.load(tmp_path)
