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
from experiments.training.measure import _validation_texts, predict
from lit_models.base.classifier import Prediction
from lit_models.sequences.model import Transcription
from lit_models.tagging.model import Tagging

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


def outputs(batch: Any, part: str, **data: Any) -> Any:
    """Outputs of a model that predicts one batch."""
    groups = {"train": np.array([4, 5, 6]), "test": np.array([7, 7, 8])}
    trainer: Any = SimpleNamespace(predict=lambda model, dataloaders: [batch])
    given: Any = SimpleNamespace(loader=loader, groups=groups.__getitem__, **data)
    problem = "transcription" if isinstance(batch, Transcription) else "tagging"
    model: Any = SimpleNamespace(problem=problem, predicts_blind=False)
    return predict(trainer, model, given, part)


@pytest.mark.parametrize(
    ("part", "distances", "lengths", "groups"),
    [("test", [1, 0, 3], [2, 2, 3], [7, 7, 8]), ("val", [2, 2, 0], [2, 1, 1], [4, 5, 6])],
)
def test_strings_are_held_against_all_right_answers_of_their_words(
    part: str, distances: list[int], lengths: list[int], groups: list[int]
) -> None:
    answers = {
        "test": [[(1, 2)], [(9, 9, 9), (3, 4)], [(5, 5, 5)]],
        "train": [[(7, 7)], [(6,)], [(5,), (4,)]],
    }
    ids, symbols = torch.tensor([2, 0, 1]), torch.tensor([[0, 0], [1, 0], [3, 4]])
    logs = torch.tensor([-3.0, -1, -2], dtype=torch.float64)
    if part == "val":
        symbols[0, 0] = 4
    found = outputs(
        Transcription(ids, symbols, logs), part, answers=lambda split, row: answers[split][row]
    )
    assert found.ids.tolist() == [0, 1, 2] and found.groups.tolist() == groups
    assert found.strings[:2] == [b"\x01", b"\x03\x04"]
    assert found.log_probabilities.tolist() == [-1, -2, -3]
    assert (found.distances.tolist(), found.answer_lengths.tolist()) == (distances, lengths)


def test_tags_are_held_against_those_of_their_texts() -> None:
    right = {
        "test": Ragged(np.array([0, 1, 1, 1, 0, 0]), np.array([0, 2, 3, 6])),
        "train": Ragged(np.zeros(3, dtype=np.int64), np.arange(4)),
    }

    def count(right: Ragged, written: Ragged) -> np.ndarray:
        same = np.add.reduceat(
            (right.values == written.values).astype(np.int64), right.offsets[:-1]
        )
        return np.stack([same, written.lengths, right.lengths], axis=1)[:, None]

    ids, words = torch.tensor([2, 0, 1]), torch.tensor([3, 2, 1])
    logs = torch.tensor([-3.0, -1, -2], dtype=torch.float64)
    batch = Tagging(ids, words, torch.tensor([1, 0, 1, 0, 0, 1]), logs)
    data = {"tags": right.__getitem__, "count": count, "figures": ("words",), "averaged": 1}
    found = outputs(batch, "test", **data)
    assert found.ids.tolist() == [0, 1, 2] and found.words.tolist() == [2, 1, 3]
    assert found.counts[:, 0].tolist() == [[1, 2, 2], [1, 1, 1], [2, 3, 3]]
    assert found.log_probabilities.tolist() == [-1, -2, -3]


@pytest.mark.parametrize("rows", [0, 3, 199, 200, 201, 399, 599, 2500])
@pytest.mark.parametrize("limit", [None, 200])
def test_texts_of_latency_are_from_the_whole_validation_part(rows: int, limit: int | None) -> None:
    store = SimpleNamespace(rows=lambda part: np.arange(1000, 1000 + rows))
    data: Any = SimpleNamespace(store=store, texts=lambda part: range(10_000))
    texts: Any = _validation_texts(data, limit)
    assert len(texts) == len(set(texts)) == min(rows, limit or rows)
    if rows:
        assert texts[0] == 1000 and texts[-1] >= 1000 + rows - 1 - rows / len(texts)
        assert rows == len(texts) or np.ptp(np.diff(texts)) <= 1
