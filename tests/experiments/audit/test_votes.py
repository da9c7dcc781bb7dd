"""Rank of labels against votes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from experiments.audit.votes import auc, rank_against_votes
from experiments.statistics.subsets import LEFT_OUT, Audit


def test_the_area_is_that_of_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(0)
    scores, wrong = rng.integers(9, size=300) / 9, rng.random(300) < 0.3
    assert auc(scores, wrong) == pytest.approx(roc_auc_score(wrong, scores))
    counts = rng.integers(3, size=300)
    repeated = roc_auc_score(np.repeat(wrong, counts), np.repeat(scores, counts))
    assert auc(scores, wrong, counts) == pytest.approx(repeated)
    assert np.isnan(auc(scores, np.zeros(300, dtype=bool)))


def test_votes_are_compared_with_those_that_they_confirm() -> None:
    labels = np.array([0, 1] * 50)
    decided = labels.copy()
    decided[[0, 1]] = 1 - labels[[0, 1]]
    decided[2] = LEFT_OUT
    votes = Audit(6, 3, 2, 1, decided, np.arange(6))
    suspicion = np.zeros(100)
    suspicion[:6] = (0.9, 0.8, 0.3, 0.5, 0.1, 0.2)
    found = rank_against_votes(suspicion, labels, votes, np.arange(100) // 4)
    assert {name: (one.wrong, one.right) for name, one in found.items()} == {
        "failed": (3, 3),
        "other class": (2, 3),
        "all rows": (3, 97),
    }
    assert found["failed"].auc == pytest.approx(8 / 9) and found["other class"].auc == 1
    assert found["all rows"].auc == pytest.approx(290 / 291)
    assert all(one.low <= one.auc <= one.high for one in found.values())
