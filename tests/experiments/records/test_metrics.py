"""Metrics of the tables, against torchmetrics, scikit-learn and cases computed by hand."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification as reference

from experiments.records.metrics import LOG_LOSS_FLOOR, calibration_error, evaluate
from tests.rows import make_predictions


@pytest.mark.parametrize("classes", [2, 4])
def test_agrees_with_torchmetrics(classes: int) -> None:
    p = make_predictions(1000, classes, seed=classes)
    metrics = evaluate(p.labels, p.probabilities)
    probabilities, labels = torch.tensor(p.probabilities).double(), torch.tensor(p.labels)

    def expected(name: str, **options: str) -> float:
        function = getattr(reference, f"multiclass_{name}")
        return float(function(probabilities, labels, num_classes=classes, **options))

    assert metrics.n == 1000
    assert metrics.accuracy == pytest.approx(expected("accuracy", average="micro"), abs=1e-6)
    assert metrics.f1 == pytest.approx(expected("f1_score", average="macro"), abs=1e-6)
    assert metrics.auroc == pytest.approx(expected("auroc", average="macro"), abs=1e-6)
    assert metrics.log_loss == pytest.approx(
        float(torch.nn.functional.nll_loss(probabilities.log(), labels)), rel=1e-6
    )


def test_accuracy_and_auroc_are_scikit_learns_to_the_last_digit() -> None:
    p = make_predictions(777)
    metrics = evaluate(p.labels, p.probabilities)
    predicted = p.probabilities.argmax(axis=1)
    assert metrics.accuracy == sklearn.metrics.accuracy_score(p.labels, predicted)
    assert metrics.auroc == sklearn.metrics.roc_auc_score(p.labels, p.probabilities[:, 1])


def test_case_worked_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.3, 0.7]])
    metrics = evaluate(labels, probabilities)
    assert metrics.accuracy == 0.75
    # Class 0: precision 1, recall 1/2. Class 1: precision 2/3, recall 1.
    assert metrics.f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics.auroc == 1.0
    assert metrics.log_loss == pytest.approx(-math.log(0.8 * 0.4 * 0.9 * 0.7) / 4)
    # Four rows make four bins of one: 0.2 + 0.6 + 0.1 + 0.3.
    assert metrics.ece == pytest.approx(1.2 / 4)


def test_ties_go_to_the_lower_class() -> None:
    tie = np.full((2, 2), 0.5)
    assert evaluate(np.array([0, 0]), tie).accuracy == 1
    assert evaluate(np.array([1, 1]), tie).accuracy == 0


def test_auroc_is_none_where_a_class_is_absent() -> None:
    p = make_predictions(50, classes=3)
    labels = np.where(p.labels == 2, 0, p.labels)
    assert evaluate(labels, p.probabilities).auroc is None
    assert evaluate(p.labels, p.probabilities).auroc is not None


def test_log_loss_is_clipped_where_the_docstring_says() -> None:
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert evaluate(np.array([1, 0]), certain).log_loss == pytest.approx(math.log(131070) / 2)
    assert math.isclose(1 / LOG_LOSS_FLOOR, 131070)


@pytest.mark.parametrize("n", [7, 15, 100, 1001])
def test_calibration_error_equals_a_plain_loop(n: int) -> None:
    generator = np.random.default_rng(n)
    confidence = generator.uniform(0.5, 1, n)
    correct = generator.random(n) < confidence**2
    rows = sorted(zip(confidence, correct, strict=True))
    bins = min(15, n)
    expected, start = 0.0, 0
    for number in range(bins):
        size = n // bins + (number < n % bins)
        part = rows[start : start + size]
        start += size
        share = sum(right for _, right in part) / size
        mean = sum(value for value, _ in part) / size
        expected += size / n * abs(share - mean)
    assert start == n
    assert calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-12)


def test_no_metric_depends_on_the_order_of_rows() -> None:
    p = make_predictions(400)
    coarse = np.round(p.probabilities.astype(np.float64), 1)  # many equal confidences
    coarse /= coarse.sum(axis=1, keepdims=True)
    one = evaluate(p.labels, coarse)
    order = np.random.default_rng(1).permutation(400)
    two = evaluate(p.labels[order], coarse[order])
    for name in ("accuracy", "f1", "auroc", "log_loss", "ece"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-12), name


GOOD = [[0.5, 0.5], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1, 1], GOOD, r"labels have shape \(3,\) and probabilities \(2, 2\)"),
        ([0, 1], [0.5, 0.5], r"probabilities have shape \(2,\)"),
        ([0, 1], [[0.5], [0.5]], r"probabilities have shape \(2, 1\).*at least 2 classes"),
        ([0, 1], [[0.5, 0.5], [float("nan"), 1]], r"row 1 holds \[nan, 1.0\]"),
        ([0, 1], [[0.5, 0.5], [0.2, 0.7]], "row 1 sums to 0.9;.*softmax"),
        ([0, 1], [[-0.5, 1.5], [0.2, 0.8]], r"row 0 holds \[-0.5, 1.5\]"),
        ([0, 2], GOOD, "the label of row 1 is 2;.*0..1"),
        ([-1, 1], GOOD, "the label of row 0 is -1"),
        ([0.0, 1.0], GOOD, "labels have dtype float64"),
    ],
)
def test_bad_input_is_named(labels: list, probabilities: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(np.array(labels), np.array(probabilities))


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="0 rows were given"):
        evaluate(np.zeros(0, dtype=int), np.zeros((0, 2)))


def test_sums_within_the_tolerance_are_taken_as_they_are() -> None:
    assert evaluate(np.array([0, 1]), np.array([[0.9995, 0.0], [0.1, 0.9]])).accuracy == 1
