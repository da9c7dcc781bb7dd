"""Regressions: values in log-odds, their error, and files that keep it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from experiments.records.evidence import read_evidence, write_evidence
from experiments.records.predictions import read_outputs, write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.regressions import SLOPE, Regressions
from experiments.records.row import ResultsError
from lit_models import linear_regression

STARS = np.array([1, 10, 7, 4, 3], dtype=np.int64)
VALUES = np.array([2.5, 9.0, 5.0, 6.0, 3.0])  # errors 1.5, 1, 2, 2, 0


def regressions() -> Regressions:
    odds = SLOPE * (VALUES - 5.5) / 4.5
    positive = 1 / (1 + np.exp(-odds))
    ids = np.array([4, 0, 9, 2, 3], dtype=np.int64)
    labels = (STARS > 5).astype(np.int64)
    probabilities = np.stack([1 - positive, positive], axis=1)
    return Regressions.of(Predictions(ids, labels, probabilities), "stars", STARS)


def test_the_slope_is_that_of_the_model() -> None:
    assert SLOPE == linear_regression.SLOPE
    assert (linear_regression._MIDDLE, linear_regression._HALF) == (5.5, 4.5)


def test_the_error_is_measured_beside_the_accuracy() -> None:
    found = regressions()
    assert np.allclose(found.values, VALUES)
    metrics = found.evaluate()
    assert metrics.mae == pytest.approx(6.5 / 5) and metrics.accuracy == 3 / 5
    assert metrics.scores["mae"] == metrics.mae
    plain = Predictions(found.ids, found.labels, found.probabilities).evaluate()
    assert plain == dataclasses.replace(metrics, mae=None) and "mae" not in plain.scores


def test_signs_are_a_scale_too() -> None:
    given = regressions()
    signs = Regressions.of(given, "sign", 2 * given.labels - 1)
    line = (VALUES - 5.5) / 4.5
    assert signs.evaluate().mae == pytest.approx(np.abs(line - (2 * given.labels - 1)).mean())


def test_predictions_and_evidence_keep_the_true_values(tmp_path: Path) -> None:
    given = regressions()
    write_predictions(tmp_path / "test.parquet", given)
    read = read_outputs(tmp_path / "test.parquet")
    assert isinstance(read, Regressions) and read.unit == "stars"
    assert read.ids.tolist() == [0, 2, 3, 4, 9] and read.targets.tolist() == [10, 4, 3, 1, 7]
    assert read.evaluate() == given.in_id_order().evaluate()
    written = write_evidence(tmp_path / "a.npz", {"test": given, "val": given})
    evidence = read_evidence(tmp_path / "a.npz", written.checksum)
    for part in ("test", "val"):
        assert evidence.parts[part].evaluate() == written.parts[part].evaluate()
        assert evidence.parts[part].evaluate().mae == pytest.approx(6.5 / 5, abs=2e-3)
    other = dataclasses.replace(given, targets=np.where(STARS == 3, 2, STARS))
    assert write_evidence(tmp_path / "b.npz", {"test": other}).checksum != (
        write_evidence(tmp_path / "b.npz", {"test": given}).checksum
    )


@pytest.mark.parametrize(
    ("unit", "targets", "message"),
    [
        ("points", STARS, "unit is 'points'; it must be one of"),
        ("stars", STARS[:3], r"stars are int64\[3\]; they must be int64\[5\]"),
        ("stars", np.where(STARS == 7, 11, STARS), "row 9 has the label 1 and 11 stars"),
        ("stars", np.where(STARS == 7, 5, STARS), "row 9 has the label 1 and 5 stars"),
        ("sign", STARS, "row 4 has the label 0 and 1 sign"),
    ],
)
def test_values_off_the_scale_are_errors(unit: str, targets: np.ndarray, message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        Regressions.of(regressions(), unit, targets)
