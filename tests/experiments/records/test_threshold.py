"""The threshold of two classes: chosen on validation, kept by the row, its metrics and evidence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from experiments.config.registry import ConfigError
from experiments.records.evidence import encode, log_odds
from experiments.records.metrics import evaluate, predicted_classes
from experiments.records.problems.class_predictions import Predictions
from experiments.records.publishing import metrics_difference, publish, verify_published
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import read_row, read_rows, write_row
from experiments.records.threshold import Rule, choose_threshold, threshold_and_note
from experiments.statistics.reading import read_run_predictions
from experiments.statistics.table import analyse
from tests.rows import make_predictions, make_run


def unbalanced(n: int = 300, seed: int = 0, step: float = 0.0) -> Predictions:
    """Predictions of rows of which a tenth is of class 1; probabilities in steps, if given."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 10 == 0).astype(np.int64)
    ones = 1 / (1 + np.exp(2.5 - 1.5 * labels - rng.normal(0, 1, n)))
    ones = np.round(ones / step) * step if step else ones
    probabilities = np.stack([1 - ones, ones], axis=1).astype(np.float32)
    return Predictions(np.arange(n), labels, probabilities)


def score(p: Predictions, threshold: float, rule: Rule) -> float:
    predicted = p.probabilities[:, 1].astype(np.float64) >= threshold
    if rule == "f1":
        return float(f1_score(p.labels, predicted, average="macro", zero_division=0))
    return float(balanced_accuracy_score(p.labels, predicted))


@pytest.mark.parametrize("rule", ["f1", "balanced"])
@pytest.mark.parametrize("step", [0.0, 0.1])
def test_no_threshold_is_better_on_validation(rule: Rule, step: float) -> None:
    for seed in range(3):
        p = unbalanced(60, seed=seed, step=step)
        chosen = choose_threshold(p.labels, p.probabilities, rule)
        every = np.unique(p.probabilities[:, 1].astype(np.float64))[1:]
        others = [score(p, value, rule) for value in every]
        assert score(p, chosen, rule) == pytest.approx(max(others), abs=1e-12)


def test_of_equally_good_thresholds_the_nearest_to_a_half_is_chosen() -> None:
    labels, ones = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.6, 0.9])
    p = np.stack([1 - ones, ones], axis=1)  # from 0.2 on and from 0.9 on: 75% balanced accuracy
    assert choose_threshold(labels, p, "balanced") == pytest.approx(0.75)


def test_nothing_changes_where_nothing_is_gained() -> None:
    labels = np.array([0, 0, 1, 1])
    ones = np.array([0.1, 0.45, 0.7, 0.9])
    assert choose_threshold(labels, np.stack([1 - ones, ones], axis=1), "f1") == 0.5
    assert choose_threshold(labels, np.full((4, 2), 0.5), "balanced") == 0.5
    with pytest.raises(ConfigError, match="all 3 of them are of class 1; validate on rows of both"):
        choose_threshold(np.ones(3, dtype=int), np.full((3, 2), 0.5), "f1")


def test_metrics_of_classes_follow_the_threshold_and_those_of_probabilities_do_not() -> None:
    p = unbalanced()
    plain, decided = evaluate(p.labels, p.probabilities), evaluate(p.labels, p.probabilities, 0.2)
    predicted = p.probabilities[:, 1] >= 0.2
    assert decided.accuracy == (predicted == p.labels).mean() != plain.accuracy
    assert decided.f1 == f1_score(p.labels, predicted, average="macro")
    assert decided.balanced_accuracy == pytest.approx(balanced_accuracy_score(p.labels, predicted))
    assert decided.per_class and plain.per_class
    assert decided.per_class[1].recall > plain.per_class[1].recall
    for name in ("auroc", "log_loss", "ece", "n"):
        assert getattr(decided, name) == getattr(plain, name)


def test_the_note_says_what_changes() -> None:
    p = unbalanced()
    threshold, [note] = threshold_and_note("f1", p, ("ham", "spam"), 3)
    before = 100 * evaluate(p.labels, p.probabilities).f1
    after = 100 * evaluate(p.labels, p.probabilities, threshold).f1
    assert f"seed 3 predicts 'spam' from a probability of {threshold:.4g} on" in note
    assert f"F1 {after:.1f}% instead of {before:.1f}%" in note and after > before
    assert threshold_and_note(None, p, ("ham", "spam"), 3) == (None, [])


@pytest.mark.parametrize("threshold", [1e-6, 0.1, 0.3000001, 0.5, 0.72, 1 - 1e-6])
def test_no_rounding_of_evidence_passes_the_threshold(threshold: float) -> None:
    rng = np.random.default_rng(1)
    near = threshold + rng.normal(0, 1e-4 * threshold * (1 - threshold), 2000)
    ones = np.clip(np.append(near, [threshold, np.nextafter(threshold, 0)]), 0, 1)
    p = np.stack([1 - ones, ones], axis=1)
    predictions = Predictions(np.arange(len(p)), np.zeros(len(p), dtype=np.int64), p)
    kept = encode({"test": predictions}, threshold)[0].parts["test"].probabilities
    wanted = predicted_classes(p, threshold)
    assert 0 < wanted.mean() < 1 and (predicted_classes(kept, threshold) == wanted).all()
    moved = predicted_classes(
        encode({"test": predictions})[0].parts["test"].probabilities, threshold
    )
    assert (moved != wanted).any()  # without it some would pass
    assert np.abs(kept[:, 1] - ones).max() < 2e-3
    rounded = log_odds(p).astype(float) - log_odds(p, threshold)
    assert np.count_nonzero(rounded) < len(p)


def decided_run(root: Path, threshold: float = 0.3, seed: int = 0) -> tuple[Path, Row]:
    """A run whose row has a threshold, with metrics that follow from it."""
    folder = make_run(root, seed, protocol="refit")
    row = read_row(folder)
    parts = read_run_predictions(row, folder)
    metrics = {k: evaluate(p.labels, p.probabilities, threshold) for k, p in parts.items()}
    row = dataclasses.replace(row.with_parts(metrics), threshold=threshold)
    write_row(folder, row)
    return folder, row


def test_a_row_with_a_threshold_is_verified_and_published(tmp_path: Path) -> None:
    folder, row = decided_run(tmp_path / "runs")
    for part, predictions in read_run_predictions(row, folder).items():
        assert metrics_difference(row, part, predictions) == ""
    analysis = analyse([row], folder)
    assert analysis and row.test and row.test.confusion
    assert analysis.correct["cnn"].mean() == row.test.accuracy
    assert (np.bincount(analysis.predicted["cnn"][0]) == np.sum(row.test.confusion, axis=0)).all()
    [published] = publish([folder], "made", tmp_path / "results")
    assert published.threshold == 0.3 and published.test
    for part in ("val", "test", "test_refit"):
        ours, theirs = row.parts[part], published.parts[part]  # type: ignore[index]
        assert ours and theirs and ours.confusion == theirs.confusion
    assert verify_published(tmp_path / "results") == [published]
    edited = dataclasses.replace(row, threshold=0.4)
    write_row(folder, edited)
    with pytest.raises(ResultsError, match="accuracy is .* and "):
        read_run_predictions(edited, folder)


def test_older_rows_have_no_figures_of_classes_and_are_verified_without(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    row = read_row(folder)
    assert row.test
    older = {"balanced_accuracy": None, "per_class": None, "confusion": None}
    row = row.with_parts({"test": dataclasses.replace(row.test, **older)})
    write_row(folder, row)
    [again] = read_rows(folder)
    assert again == row and read_run_predictions(again, folder)
    assert again.test and not again.test.unbalanced
    wrong = dataclasses.replace(row.test, per_class=[], **{k: None for k in ("confusion",)})
    write_row(folder, row.with_parts({"test": wrong}))
    with pytest.raises(ResultsError, match="per_class is"):
        read_run_predictions(read_row(folder), folder)


def test_three_classes_have_no_threshold() -> None:
    p = make_predictions(50, classes=3)
    assert (p.predicted(None) == p.probabilities.argmax(axis=1)).all()
