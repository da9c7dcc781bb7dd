"""Several labels a text: metrics against scikit-learn, files, evidence, threshold, publishing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, precision_score, roc_auc_score

from experiments.config.registry import ConfigError
from experiments.records.evidence import encode, read_evidence, write_evidence
from experiments.records.predictions import read_outputs, read_predictions, write_predictions
from experiments.records.problems.forms import LABEL_SETS
from experiments.records.problems.label_metrics import evaluate_labels
from experiments.records.problems.label_sets import LabelSets
from experiments.records.publishing import metrics_difference
from experiments.records.row import ResultsError
from experiments.records.row_schema import row_from_dict, row_to_dict
from experiments.records.threshold import choose_label_threshold, threshold_and_note
from tests.rows import make_row

THRESHOLDS = (None, 0.5, 0.2, 0.731)


def make(n: int = 300, seed: int = 0) -> LabelSets:
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 4)) < (0.4, 0.2, 0.05, 0.0)).astype(np.int8)
    noise = rng.random((n, 4))
    return LabelSets(np.arange(n), labels, (0.2 * labels + 0.8 * noise).astype(np.float32))


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_figures_are_those_of_scikit_learn(threshold: float | None) -> None:
    sets = make()
    found = sets.evaluate(threshold)
    y, p = sets.labels, sets.probabilities.astype(float)
    predicted = (p >= (threshold or 0.5)).astype(int)
    assert found.micro_f1 == f1_score(y, predicted, average="micro")
    assert found.f1 == f1_score(y, predicted, average="macro", zero_division=0)
    assert found.accuracy == (y == predicted).all(axis=1).mean()
    assert found.auroc == pytest.approx(
        np.mean([roc_auc_score(y[:, c], p[:, c]) for c in range(3)])
    )
    assert found.log_loss == pytest.approx(log_loss(y.ravel(), p.ravel()))
    assert found.labels_per_text == y.sum() / len(y)
    assert [one.support for one in found.per_class] == y.sum(axis=0).tolist()
    assert found.per_class[1].precision == precision_score(y[:, 1], predicted[:, 1])
    assert found.per_class[3].f1 == 0


def test_a_probability_of_just_the_threshold_counts() -> None:
    labels = np.array([[1, 0]], dtype=np.int8)
    assert evaluate_labels(labels, np.array([[0.5, 0.4999]])).accuracy == 1


def test_wrong_arrays_are_refused() -> None:
    sets = make(3)
    with pytest.raises(ValueError, match="row 1 holds.*not be NaN"):
        evaluate_labels(sets.labels, np.where(np.arange(3)[:, None] == 1, np.nan, 0.5))
    with pytest.raises(ResultsError, match=r"must be \[N\], \[N, C\], \[N, C\]"):
        LabelSets(sets.ids, sets.labels[:, 0], sets.probabilities)
    with pytest.raises(ResultsError, match="labels are int64; they must be int8, 0 or 1"):
        LabelSets(sets.ids, sets.labels.astype(np.int64), sets.probabilities)
    with pytest.raises(ResultsError, match="int8, 0 or 1"):
        LabelSets(sets.ids, sets.labels - 1, sets.probabilities)


def test_the_file_of_a_run_gives_them_back(tmp_path: Path) -> None:
    sets = dataclasses.replace(make(20), ids=np.arange(20)[::-1].copy())
    file = tmp_path / "val.parquet"
    write_predictions(file, sets.with_groups(np.arange(20) // 2))
    found = read_outputs(file)
    assert isinstance(found, LabelSets)
    assert np.array_equal(found.labels, sets.labels[::-1])
    assert np.array_equal(found.probabilities, sets.probabilities[::-1])
    assert found.groups is not None
    with pytest.raises(ResultsError, match="holds LabelSets, not predictions of classes"):
        read_predictions(file)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_evidence_keeps_every_predicted_label(threshold: float | None, tmp_path: Path) -> None:
    sets = make(500)
    close = np.nextafter(np.float32(threshold or 0.5), np.float32([0, 1])).astype(np.float32)
    sets.probabilities[:2, 0], sets.probabilities[:2, 1] = close, (0.0, 1.0)
    written = write_evidence(tmp_path / "e.npz", {"val": sets, "test": make(7)}, threshold)
    found = read_evidence(tmp_path / "e.npz", written.checksum)
    val = found.parts["val"]
    assert isinstance(val, LabelSets)
    assert np.array_equal(val.labels, sets.labels)
    assert np.array_equal(val.predicted(threshold), sets.predicted(threshold))
    assert np.abs(val.probabilities - sets.probabilities).max() < 1e-3
    assert np.load(tmp_path / "e.npz")["format"] == LABEL_SETS.number == 7
    other = dataclasses.replace(sets, labels=1 - sets.labels)
    checksums = [encode({"val": one}, threshold)[0].checksum for one in (sets, other)]
    assert checksums[0] != checksums[1]


def test_damaged_evidence_is_refused(tmp_path: Path) -> None:
    write_evidence(tmp_path / "e.npz", {"val": make(9)})
    arrays = dict(np.load(tmp_path / "e.npz"))
    np.savez(tmp_path / "bits.npz", **arrays | {"val_label_bits": ~arrays["val_label_bits"]})
    with pytest.raises(ResultsError, match="was changed after publishing"):
        read_evidence(tmp_path / "bits.npz")
    wrong = np.full_like(arrays["val_log_odds"], np.inf)
    np.savez(tmp_path / "odds.npz", **arrays | {"val_log_odds": wrong})
    with pytest.raises(ResultsError, match="not finite"):
        read_evidence(tmp_path / "odds.npz")


def test_a_row_is_written_and_read() -> None:
    sets = make()
    metrics = sets.evaluate(0.3)
    row = make_row(val=metrics, test=metrics, problem="multi-label classification", threshold=0.3)
    again = row_from_dict(row_to_dict(row), "here")
    assert again.val == metrics
    assert metrics_difference(again, "val", sets) == ""
    assert metrics_difference(dataclasses.replace(again, threshold=None), "val", sets)
    assert again.classified("val") is None
    assert again.of_classes("val") == metrics.per_class


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_has_a_higher_micro_f1(seed: int) -> None:
    sets = make(60, seed)
    chosen = choose_label_threshold(sets.labels, sets.probabilities)
    scores = {t: sets.evaluate(t).micro_f1 for t in [*np.unique(sets.probabilities), 0.5]}
    best = max(scores.values())
    assert sets.evaluate(chosen).micro_f1 == pytest.approx(best)


def test_a_threshold_needs_labels_and_is_a_half_where_nothing_is_gained() -> None:
    labels = np.eye(3, dtype=np.int8)
    assert choose_label_threshold(labels, 0.2 + 0.6 * labels) == 0.5
    assert choose_label_threshold(labels, np.full((3, 3), 0.3)) == 0.5
    with pytest.raises(ConfigError, match="none of the 3 has a label"):
        choose_label_threshold(0 * labels, np.full((3, 3), 0.3))
    sets = LabelSets(np.arange(3), labels, 0.1 + 0.3 * labels.astype(float))
    threshold, [note] = threshold_and_note("f1", sets, ("a", "b", "c"), 4)
    assert threshold == pytest.approx(0.25)
    assert "seed 4 predicts a label from a probability of 0.25 on" in note
    assert "micro F1 100.0% instead of 0.0%" in note
    assert threshold_and_note(None, sets, ("a", "b", "c"), 4) == (None, [])
