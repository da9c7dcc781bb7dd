"""LinearRegression: the line in its probabilities, stars, and its settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from lit_models.linear_regression import LinearRegression
from tests.batches import make_view, random_rows

TRAIN = random_rows([3 + number % 40 for number in range(60)], 30, seed=1)
OTHER = make_view(random_rows([1, 5, 9, 30, 80], 33, seed=2), [0] * 5, 33).tokens
LABELS = [int(2 in row) for row in TRAIN]
STARS = np.array([7 + row.count(3) % 4 if 2 in row else 1 + row.count(3) % 4 for row in TRAIN])


def fitted(
    labels: list[int] = LABELS, stars: np.ndarray | None = None, **settings: Any
) -> LinearRegression:
    torch.manual_seed(0)
    classes = max(labels) + 1
    model = LinearRegression(**{"ngrams": 2, "min_df": 2, "num_classes": classes} | settings)
    model.prepare(replace(make_view(TRAIN, labels, 33), stars=stars))
    return model


def line(model: LinearRegression, targets: np.ndarray) -> np.ndarray:
    """float[N, K] values of scikit-learn's ridge regression for the rows of `OTHER`."""
    features = model.features(make_view(TRAIN, LABELS, 33).tokens)
    ridge = Ridge(alpha=1 / model.C, tol=1e-10).fit(features, targets)
    found: np.ndarray = ridge.predict(model.features(OTHER)).reshape(len(OTHER), -1)
    return found


@pytest.mark.parametrize("solver", ["gradient", "closed_form"])
def test_log_odds_are_twice_the_value_of_the_regression(solver: str) -> None:
    model = fitted(solver=solver, C=5.0)
    odds = np.log(model.predict_proba(OTHER))
    values = line(model, 2 * np.array(LABELS) - 1)[:, 0]
    assert np.allclose(odds[:, 1] - odds[:, 0], 2 * values, atol=1e-5)
    assert model.unit == "sign" and not model.notes


def test_stars_are_fitted_where_the_corpus_has_them() -> None:
    model = fitted(stars=STARS, target="stars")
    odds = np.log(model.predict_proba(OTHER))
    found = 5.5 + 4.5 * (odds[:, 1] - odds[:, 0]) / 2
    assert np.allclose(found, line(model, STARS)[:, 0], atol=1e-4)
    assert model.unit == "stars" and not model.notes
    assert not np.allclose(model.predict_proba(OTHER), fitted().predict_proba(OTHER), atol=1e-3)


def test_without_stars_it_is_fitted_on_the_classes_and_says_so() -> None:
    model = fitted(target="stars")
    assert np.array_equal(model.predict_proba(OTHER), fitted().predict_proba(OTHER))
    assert model.notes == ("the corpus has no stars, so that it was fitted on the classes",)


def test_each_of_several_classes_is_fitted_against_the_rest() -> None:
    labels = [number % 3 for number in range(60)]
    model = fitted(labels, stars=STARS, target="stars")
    values = line(model, 2.0 * (np.array(labels)[:, None] == np.arange(3)) - 1)
    expected = np.exp(2 * values) / np.exp(2 * values).sum(axis=1, keepdims=True)
    assert np.allclose(model.predict_proba(OTHER), expected, atol=1e-5)
    assert model.unit is None and len(model.notes) == 1


def test_balanced_weights_are_those_of_repeated_rows() -> None:
    model = fitted(class_weights="balanced")
    counts = np.bincount(LABELS)
    weights = (len(LABELS) / (2 * counts))[LABELS]
    features = model.features(make_view(TRAIN, LABELS, 33).tokens)
    ridge = Ridge(alpha=1.0, tol=1e-10).fit(features, 2 * np.array(LABELS) - 1, weights)
    assert np.allclose(model.estimator.coef_[0], 2 * ridge.coef_, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "ratings"}, "model.target is 'ratings'; choose one of"),
        ({"solver": "lsqr"}, "model.solver is 'lsqr'; choose one of"),
        ({"C": 0.0}, r"model.C is 0\.0; it must be above 0"),
        ({"max_iter": 0}, "model.max_iter is 0; it must be at least 1"),
    ],
)
def test_bad_settings_are_errors_with_their_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearRegression(**settings)
