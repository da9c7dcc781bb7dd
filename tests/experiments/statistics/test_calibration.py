"""Calibration, against scikit-learn and cases computed by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from experiments.records.metrics import evaluate
from experiments.statistics.calibration import (
    apply_temperature,
    brier,
    fit_temperature,
    reliability,
    scores,
)


def made(n: int, classes: int = 2, factor: float = 1.0, seed: int = 0) -> tuple:
    """Labels drawn from softmax(logits), and the probabilities softmax(factor · logits)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (n, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (generator.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1)
    stated = np.exp(factor * logits)
    return labels, stated / stated.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_brier_and_log_loss_are_scikit_learns(classes: int) -> None:
    labels, probabilities = made(300, classes)
    stated = probabilities[:, 1] if classes == 2 else probabilities
    assert brier(labels, probabilities) == pytest.approx(brier_score_loss(labels, stated))
    result = scores(labels, probabilities)
    assert result.log_loss == pytest.approx(log_loss(labels, probabilities))
    metrics = evaluate(labels, probabilities)
    assert (result.ece, result.log_loss) == (metrics.ece, metrics.log_loss)


def test_brier_by_hand() -> None:
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    assert brier(np.array([1, 0, 1]), probabilities) == pytest.approx((0.04 + 0.25 + 0.81) / 3)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_temperature_takes_back_what_was_multiplied(factor: float, classes: int) -> None:
    labels, probabilities = made(20_000, classes, factor)
    assert fit_temperature(labels, probabilities) == pytest.approx(factor, rel=0.05)


def test_the_temperature_is_the_slope_of_a_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    labels, probabilities = made(3000, factor=2.0)
    margin = np.log(probabilities[:, 1] / probabilities[:, 0])[:, None]
    fit = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(margin, labels)
    assert 1 / fit_temperature(labels, probabilities) == pytest.approx(fit.coef_[0, 0], rel=1e-3)


def test_scaling_keeps_the_leading_class_and_mends_log_loss() -> None:
    labels, probabilities = made(5000, 3, 3.0)
    after = apply_temperature(probabilities, fit_temperature(labels, probabilities))
    assert (after.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert after.sum(axis=1) == pytest.approx(np.ones(5000))
    assert scores(labels, after).log_loss < scores(labels, probabilities).log_loss
    assert scores(labels, after).ece < scores(labels, probabilities).ece / 3
    assert apply_temperature(np.array([[0.2, 0.8]]), 1.0) == pytest.approx(np.array([[0.2, 0.8]]))
    # sqrt(.2) / (sqrt(.2) + sqrt(.8)) = 1 / 3
    assert apply_temperature(np.array([[0.2, 0.8]]), 2.0) == pytest.approx(
        np.array([[1 / 3, 2 / 3]])
    )


def test_certain_probabilities_stay_finite() -> None:
    probabilities = np.array([[0.0, 1.0], [1.0, 0.0], [0.3, 0.7]])
    assert fit_temperature(np.array([1, 0, 1]), probabilities) == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(np.array([0, 1, 0]), probabilities) == pytest.approx(20, rel=0.01)
    assert np.isfinite(apply_temperature(probabilities, 0.05)).all()


def test_reliability_is_scikit_learns_curve_of_equal_masses() -> None:
    labels, probabilities = made(3000)
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    share, mean = calibration_curve(predicted == labels, confidence, n_bins=15, strategy="quantile")
    bins = reliability(labels, probabilities)
    assert [one.n for one in bins] == [200] * 15
    assert [one.accuracy for one in bins] == pytest.approx(list(share))
    assert [one.confidence for one in bins] == pytest.approx(list(mean))


@pytest.mark.parametrize("decimals", [1, 8])
def test_the_gaps_of_the_bins_are_the_calibration_error(decimals: int) -> None:
    labels, probabilities = made(1234)
    first = np.round(probabilities[:, 0], decimals)  # one digit: many rows of equal confidence
    probabilities = np.stack([first, 1 - first], axis=1)
    bins = reliability(labels, probabilities)
    gap = sum(one.n * abs(one.accuracy - one.confidence) for one in bins) / 1234
    assert gap == pytest.approx(evaluate(labels, probabilities).ece)
    assert len(reliability(labels[:4], probabilities[:4])) == 4
