"""Promises of every architecture, as checks of a model in evaluation mode.

They call `model(batch)`, as training, validation and prediction do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from datamodules.store.batching import TextBatch
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator
from tests.batches import make_batch, random_rows

VOCAB, CLASSES = 60, 3
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34]
ROWS = random_rows(LENGTHS, VOCAB)
TOLERANCE = 1e-9

Check = Callable[[LitClassifier], None]


def outputs(model: LitClassifier, batch: TextBatch) -> np.ndarray:
    """float64[B, C]: logits of a network, probabilities of an estimator, in full precision."""
    with torch.no_grad():
        if isinstance(model, LitEstimator):
            return model.predict_step(batch).probabilities.double().numpy()
        return model.double()(batch).double().numpy()


def gives_a_distribution_over_the_classes_for_each_row(model: LitClassifier) -> None:
    batch = make_batch(ROWS, classes=CLASSES)
    with torch.no_grad():
        found = model.predict_step(batch._replace(ids=batch.ids + 100))
    assert found.probabilities.shape == (len(ROWS), CLASSES)
    assert found.probabilities.dtype == torch.float32
    assert torch.allclose(found.probabilities.sum(dim=1), torch.ones(len(ROWS)), atol=1e-5)
    assert found.ids.tolist() == list(range(100, 100 + len(ROWS)))


def gives_logits_and_no_probabilities(model: LitClassifier) -> None:
    """Probabilities given as logits go through a second softmax, and are never certain."""
    if isinstance(model, LitEstimator):
        return
    logits = outputs(model, make_batch(ROWS))
    in_range = (logits >= 0).all() and (logits <= 1).all()
    assert not (in_range and np.allclose(logits.sum(axis=1), 1)), "these are probabilities"


def predicts_alike_whatever_labels_and_ids_are(model: LitClassifier) -> None:
    batch = make_batch(ROWS, classes=CLASSES)
    labels, ids = batch.labels.flip(0), batch.ids.flip(0) + 1000
    for other in (batch._replace(labels=labels), batch._replace(ids=ids)):
        close(outputs(model, batch), outputs(model, other))
        with torch.no_grad():
            one, two = (model.predict_step(each).probabilities for each in (batch, other))
        close(one.double().numpy(), two.double().numpy())


def predicts_a_row_alike_alone_and_among_others(model: LitClassifier) -> None:
    together = outputs(model, make_batch(ROWS, width=3 * max(LENGTHS)))
    for row, expected in zip(ROWS, together, strict=True):
        close(outputs(model, make_batch([row]))[0], expected)


def predicts_alike_whatever_stands_in_the_padding(model: LitClassifier) -> None:
    plain = outputs(model, make_batch(ROWS, width=80))
    close(plain, outputs(model, make_batch(ROWS, width=80, pad=VOCAB - 1)))


def predicts_alike_beside_extreme_rows(model: LitClassifier) -> None:
    if not isinstance(model, LitEstimator):
        with torch.no_grad():  # one word whose vector overflows whatever it meets
            for module in model.net.modules():
                if isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag):
                    module.weight[VOCAB - 1 : VOCAB] = 1e30  # a table of segments has no such row
    calm = [[token for token in row if token != VOCAB - 1] or [2] for row in ROWS]
    wild = [[VOCAB - 1] * 90]
    expected = outputs(model, make_batch(calm))
    close(outputs(model, make_batch(calm + wild, pad=VOCAB - 1))[:-1], expected)


def trains_alike_whatever_the_padding(model: LitClassifier) -> None:
    """Statistics of a batch, such as those of a batch norm, leave the padding out."""
    if isinstance(model, LitEstimator):
        return
    without_dropout(model).train()
    found = []
    for batch in (make_batch(ROWS), make_batch(ROWS, width=80, pad=VOCAB - 1)):
        torch.manual_seed(0)
        found.append(outputs(model, batch))
    close(*found)


CHECKS: tuple[Check, ...] = (
    gives_a_distribution_over_the_classes_for_each_row,
    gives_logits_and_no_probabilities,
    predicts_alike_whatever_labels_and_ids_are,
    predicts_a_row_alike_alone_and_among_others,
    predicts_alike_whatever_stands_in_the_padding,
    predicts_alike_beside_extreme_rows,
    trains_alike_whatever_the_padding,
)


def close(one: np.ndarray, other: np.ndarray) -> None:
    assert np.abs(one - other).max() <= TOLERANCE


def without_dropout(model: LitClassifier) -> LitClassifier:
    """The same model with every dropout set to 0: its masks depend on the width of a batch."""
    for module in model.modules():
        for name, value in vars(module).items():
            if isinstance(value, float) and (name == "p" or "drop" in name):
                setattr(module, name, 0.0)
    return model
