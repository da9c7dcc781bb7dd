"""Losses of a teacher's probabilities, and what is logged of batches with unlabelled rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from datamodules.store.mixed import MixedBatch
from lit_models.class_lm import ClassLM
from lit_models.cnn import CNN
from tests.batches import make_batch, make_view, random_rows

VOCAB = 40
ROWS = random_rows([5, 9, 3, 7], VOCAB)
TARGETS = torch.tensor([[0.9, 0.1], [0.35, 0.65], [0.0, 1.0]])  # of all rows but the last


def make(kind: Any = CNN, **settings: Any) -> Any:
    torch.manual_seed(0)
    model = kind(vocab_size=VOCAB, embedding_dim=8, **settings).eval()
    model._learn(make_view(random_rows([9] * 4, VOCAB), [0, 0, 0, 1], VOCAB))
    return model


def taught(unlabelled: int = 1) -> MixedBatch:
    batch = make_batch(ROWS[: 3 + unlabelled])
    labels = torch.cat([TARGETS.argmax(dim=1), torch.full((unlabelled,), -1)])
    return MixedBatch(*batch._replace(labels=labels), TARGETS, unlabelled)


def cross_entropies(model: Any, smoothing: float = 0.0) -> Tensor:
    """float[3] -Σ_c p_c ln q_c of the rows, with p mixed with equal shares."""
    targets = (1 - smoothing) * TARGETS + smoothing / 2
    return -(targets * model(taught())[:3].log_softmax(dim=1)).sum(dim=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_expected_under_the_teacher(smoothing: float) -> None:
    model = make(label_smoothing=smoothing)
    expected = cross_entropies(model, smoothing).mean()
    assert torch.allclose(model.training_step(taught(), 0), expected)


def test_class_weights_are_those_of_the_most_probable_class() -> None:
    model = make(class_weights="balanced")
    weights = torch.tensor([4 / 6, 2.0, 2.0])
    assert torch.allclose(
        model.training_step(taught(), 0), (weights * cross_entropies(model)).mean()
    )


def test_rows_without_labels_count_in_no_figure_of_training() -> None:
    model = make()
    logged = dict[str, int]()
    model.log = lambda name, value, batch_size=None, **_: logged.update({name: batch_size})
    loss = model.training_step(taught(), 0)
    assert set(logged.values()) == {3}
    right = model(taught())[:3].argmax(dim=1) == TARGETS.argmax(dim=1)
    assert model.train_accuracy.compute() == right.float().mean()
    assert model.train_loss.rows == 3 and torch.equal(model.train_loss.compute(), loss)


class Summed(CNN):
    """CNN whose loss is the sum over the rows of a batch."""

    loss_is_sum = True

    def loss(self, logits: Tensor, labels: Tensor, reduction: str = "sum") -> Tensor:
        return super().loss(logits, labels, reduction)


def test_a_loss_that_is_a_sum_is_summed_over_the_rows() -> None:
    model = make(Summed)
    assert torch.allclose(model.training_step(taught(), 0), cross_entropies(model).sum())


def test_class_lm_learns_the_most_probable_class() -> None:
    torch.manual_seed(0)
    model = ClassLM(vocab_size=VOCAB, embedding_dim=8, hidden_size=8, cutoffs=None).eval()
    model._learn(make_view(ROWS, [0, 1, 0, 1], VOCAB))
    plain = make_batch(ROWS[:3])._replace(labels=TARGETS.argmax(dim=1))
    assert torch.equal(model.training_step(taught(0), 0), model.training_step(plain, 0))
