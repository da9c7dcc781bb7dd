"""Outputs of a split are those of its rows, once each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.store.batching import TextLoader, TokenDataset
from datamodules.store.ragged import Ragged
from datamodules.store.sampler import BucketSampler
from datamodules.store.truncation import TokenTruncation
from experiments.training.measure import predict
from lit_models.base.classifier import Prediction

LABELS = np.array([0, 1, 1])


def loader(part: str) -> TextLoader:
    tokens = Ragged(np.array([2, 3, 4], dtype=np.int32), np.arange(4))
    dataset = TokenDataset(tokens, LABELS, np.arange(3), TokenTruncation(9, None, "head", 0, 1))
    return TextLoader(dataset, sampler=BucketSampler(dataset.lengths, 2, shuffle=False))


def predicted(ids: list[int]) -> Any:
    """Outputs for `test` by a trainer that predicts the rows of these ids."""
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    batches = [Prediction(torch.tensor([one]), probabilities[[one]]) for one in ids]
    trainer: Any = SimpleNamespace(predict=lambda model, dataloaders: batches)
    data: Any = SimpleNamespace(
        loader=loader,
        groups=lambda split: np.array([7, 7, 8]),
        store=SimpleNamespace(labels=lambda split: LABELS),
    )
    model: Any = SimpleNamespace(problem="classification", predicts_blind=True)
    return predict(trainer, model, data, "test")


def test_outputs_are_in_the_order_of_ids_with_their_labels_and_groups() -> None:
    found = predicted([2, 0, 1])
    assert found.ids.tolist() == [0, 1, 2] and found.labels.tolist() == [0, 1, 1]
    assert found.groups.tolist() == [7, 7, 8]
    assert found.probabilities[:, 1].tolist() == pytest.approx([0.1, 0.8, 0.6])


def test_rows_that_nobody_predicted_are_noticed() -> None:
    with pytest.raises(RuntimeError, match="2 outputs do not cover the split's rows once each"):
        predicted([2, 0])
