"""Combination of probabilities, worked out by hand and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from experiments.records.metrics import evaluate
from experiments.statistics.calibration import fit_temperature
from experiments.statistics.combining import LARGEST, combine, fit_weights
from tests.rows import make_predictions


def pair(of_one: float) -> np.ndarray:
    return np.array([[1 - of_one, of_one]])


@pytest.mark.parametrize(
    ("members", "weights", "expected"),
    [
        ([0.8], [1.0], 0.8),
        ([0.8], [2.0], 0.64 / (0.64 + 0.04)),
        ([0.8], [0.0], 0.5),
        ([0.8, 0.5], [1.0, 1.0], 0.8),
        ([0.8, 0.2], [0.5, 0.5], 0.5),
        ([0.9, 0.6], [0.5, 0.5], 13.5**0.5 / (1 + 13.5**0.5)),  # odds 9 and 1.5
        ([0.9, 0.6, 0.5], [1.0, 2.0, 7.0], 20.25 / 21.25),  # odds 9 · 1.5²
    ],
)
def test_two_classes_by_hand(members: list[float], weights: list[float], expected: float) -> None:
    found = combine([pair(one) for one in members], np.array(weights))
    assert found == pytest.approx(pair(expected), abs=1e-12)


def test_three_classes_by_hand() -> None:
    one, two = np.array([[0.5, 0.3, 0.2]]), np.array([[0.2, 0.6, 0.2]])
    products = np.array([0.5 * 0.2**2, 0.3 * 0.6**2, 0.2 * 0.2**2])
    found = combine([one, two], np.array([1.0, 2.0]))
    assert found[0] == pytest.approx(products / products.sum(), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_member_alone_gives_itself_and_its_weight_is_its_temperature(classes: int) -> None:
    one = make_predictions(500, classes)
    assert combine([one.probabilities], np.ones(1)) == pytest.approx(one.probabilities, abs=1e-4)
    [weight] = fit_weights(one.labels, [one.probabilities])
    temperature = fit_temperature(one.labels, one.probabilities)
    assert 1 / weight == pytest.approx(temperature, rel=1e-4)
    # One that knows nothing changes nothing.
    blind = np.full_like(one.probabilities, 1 / classes)
    assert fit_weights(one.labels, [one.probabilities, blind])[0] == pytest.approx(weight, rel=1e-4)


def test_two_classes_are_a_logistic_regression_on_log_odds() -> None:
    labels = make_predictions(800).labels
    members = [make_predictions(800, seed=seed).probabilities.astype(float) for seed in range(3)]
    odds = np.stack([np.log(one[:, 1] / one[:, 0]) for one in members], axis=1)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    expected = model.fit(odds, labels).coef_[0]
    assert (expected > 0).all()
    assert fit_weights(labels, members) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("classes", [2, 4])
def test_no_other_weights_have_a_lower_log_loss(classes: int) -> None:
    generator = np.random.default_rng(0)
    labels = make_predictions(300, classes).labels
    members = [make_predictions(300, classes, seed).probabilities for seed in range(3)]
    weights = fit_weights(labels, members)
    least = evaluate(labels, combine(members, weights)).log_loss
    for _ in range(50):
        other = np.maximum(weights + generator.normal(0, 0.1, 3), 0)
        assert evaluate(labels, combine(members, other)).log_loss >= least


def test_weights_are_not_negative_and_finite() -> None:
    labels = np.arange(60) % 2
    right = np.where(labels[:, None] == np.arange(2), 0.9, 0.1)
    found = fit_weights(labels, [right, 1 - right])  # the second is always wrong
    assert found[0] > 1 + found[1] and found.min() >= 0 and found.max() <= LARGEST
    sure = np.where(labels[:, None] == np.arange(2), 1.0, 0.0)
    assert np.isfinite(combine([sure, 1 - sure], np.ones(2))).all()


def test_equal_members_have_equal_weights() -> None:
    one = make_predictions(400)
    first, second = fit_weights(one.labels, [one.probabilities] * 2)
    [alone] = fit_weights(one.labels, [one.probabilities])
    assert first == pytest.approx(second) == pytest.approx(alone / 2, rel=1e-4)


def test_the_combination_is_better_than_each_of_unlike_members() -> None:
    labels = make_predictions(2000).labels
    members = [make_predictions(2000, seed=seed).probabilities for seed in range(2)]
    combined = evaluate(labels, combine(members, fit_weights(labels, members)))
    assert combined.log_loss < min(evaluate(labels, one).log_loss for one in members) - 0.05
