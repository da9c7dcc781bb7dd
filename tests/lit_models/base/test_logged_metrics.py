"""Metrics logged in an epoch are those of the tables, undefined where they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from experiments.records.metrics import evaluate
from lit_models.base.classifier import LitClassifier

LABELS = {
    "all classes": [0, 1, 2, 2, 1, 0, 0],
    "one absent": [0, 1, 1, 0, 1, 0, 0],
    "the first absent": [1, 2, 1, 2, 2, 2, 1],
    "one alone": [1, 1, 1, 1, 1, 1, 1],
}


@pytest.mark.parametrize("name", LABELS)
def test_logged_metrics_are_those_of_the_tables(name: str) -> None:
    labels = torch.tensor(LABELS[name])
    torch.manual_seed(0)
    probabilities = torch.randn(len(labels), 3).softmax(dim=1)
    metrics = LitClassifier(num_classes=3).val_metrics
    for half in (slice(0, 3), slice(3, None)):  # as batches
        metrics.update(probabilities[half], labels[half])
    logged = {key: float(value) for key, value in metrics.compute().items()}
    expected = evaluate(labels.numpy(), probabilities.numpy())
    for key, value in logged.items():
        wanted = getattr(expected, key.removeprefix("val/"))
        assert math.isnan(value) if wanted is None else np.isclose(value, wanted, atol=1e-6), key
