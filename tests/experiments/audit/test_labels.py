"""Quality of labels: a case by hand, and cleanlab 2.9 on the same probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.audit.labels import label_quality

# What cleanlab 2.9.0 says of `made()`: find_label_issues(filter_by="confident_learning"), and the
# lowest scores of get_label_quality_scores(method="normalized_margin").
WRONG = [23, 30, 53, 76, 83, 93, 137, 141, 148, 157, 166, 190, 199]
LOWEST = [30, 93, 76, 190, 141, 23, 157, 148]


def made() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    scores = rng.normal(size=(200, 4))
    scores[np.arange(200), labels] += 1.5
    powers = np.exp(scores)
    return labels, powers / powers.sum(axis=1, keepdims=True)


def test_a_case_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    p = np.array([0.1, 0.3, 0.9, 0.6, 0.6])  # of class 1
    quality = label_quality(labels, np.stack([1 - p, p], axis=1))
    # Mean probability of class 0 in rows of it: (0.9 + 0.7) / 2 = 0.8; of class 1: 2.1 / 3 = 0.7.
    assert quality.self_confidence == pytest.approx([0.9, 0.7, 0.9, 0.6, 0.6])
    assert quality.margin == pytest.approx(quality.self_confidence)  # as always of two classes
    assert not quality.likely_wrong.any()
    p[0] = 0.75  # labelled 0; means are now 0.475 and 0.7, and the model is confident of class 1
    quality = label_quality(labels, np.stack([1 - p, p], axis=1))
    assert quality.likely_wrong.tolist() == [True, False, False, False, False]
    assert quality.suggested.tolist() == [1, 0, 1, 1, 1]


def test_it_agrees_with_cleanlab() -> None:
    labels, probabilities = made()
    quality = label_quality(labels, probabilities)
    assert np.flatnonzero(quality.likely_wrong).tolist() == WRONG
    assert np.argsort(quality.margin)[:8].tolist() == LOWEST
    assert np.sort(quality.margin)[:2] == pytest.approx([0.05424526, 0.16056874])


def test_it_agrees_with_cleanlab_where_that_is_installed() -> None:
    cleanlab_filter = pytest.importorskip("cleanlab.filter")
    labels, probabilities = made()
    probabilities[:20] = probabilities[20:40]  # ties
    found = cleanlab_filter.find_label_issues(
        labels, probabilities, filter_by="confident_learning", n_jobs=1
    )
    assert (label_quality(labels, probabilities).likely_wrong == found).all()


def test_a_class_without_rows_is_nobodys() -> None:
    probabilities = np.array([[0.2, 0.1, 0.7], [0.3, 0.6, 0.1]])
    quality = label_quality(np.array([0, 1]), probabilities)
    assert not quality.likely_wrong[0] and quality.suggested[0] == 2
