"""Vectors of texts by every architecture: what the last layer sees of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from datamodules.store.batching import TextBatch
from experiments.config.registry import ConfigError, Registry
from experiments.inference.vectors import text_vectors
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator
from lit_models.class_lm import ClassLM
from tests.batches import make_batch
from tests.lit_models.contracts import CLASSES, ROWS
from tests.lit_models.test_contracts import build

SHUFFLED = [3, 0, 7, 1, 5, 2, 6, 4]


def vectors(model: LitClassifier, batch: TextBatch, rows: list[int]) -> Any:
    """Vectors of a batch whose rows are those of texts `rows`."""
    predictor: Any = SimpleNamespace(model=model, batches=lambda texts: iter([(rows, batch)]))
    return text_vectors(predictor, [""] * len(rows))


def dense(found: Any) -> np.ndarray:
    return found.toarray() if sp.issparse(found) else found


def test_every_experiment_has_vectors_in_the_order_of_texts(
    registry: Registry, experiment: str
) -> None:
    model = build(registry, experiment)
    if experiment in ("logistic", "perceptron"):  # which begin with weights of 0
        nn.init.normal_(model.net.weights.weight)  # type: ignore[arg-type, union-attr]
    plain = vectors(model, make_batch(ROWS), list(range(len(ROWS))))
    assert plain.shape[0] == len(ROWS) and plain.dtype == np.float32
    assert len(np.unique(dense(plain), axis=0)) > 1  # texts differ in them
    if "doc2vec" in experiment:
        return  # the vector of a text is drawn anew
    batch = make_batch([ROWS[row] for row in SHUFFLED], width=60, pad=5)
    assert np.allclose(dense(vectors(model, batch, SHUFFLED)), dense(plain), atol=1e-5)


def test_logits_of_a_network_follow_from_them(registry: Registry, experiment: str) -> None:
    model = build(registry, experiment)
    found = (
        None if isinstance(model, LitEstimator) else vectors(model, make_batch(ROWS), [*range(8)])
    )
    if found is None or sp.issparse(found):
        return
    if isinstance(model, ClassLM):  # whose last layer is over words, not over classes
        assert found.shape == (len(ROWS), CLASSES)
        return
    with torch.no_grad():
        logits = model(make_batch(ROWS).blind())
        layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
        outputs = [
            layer(torch.from_numpy(found)) for layer in layers if layer.in_features == len(found[0])
        ]
    assert any(one.shape == logits.shape and torch.allclose(one, logits) for one in outputs)


def test_features_of_linear_models_are_weighted(registry: Registry) -> None:
    model = build(registry, "tfidf_logreg")
    batch = make_batch(ROWS)
    found = vectors(model, batch, list(range(len(ROWS))))
    weights = model.estimator.coef_ - model.estimator.coef_.mean(axis=0)
    model.estimator.coef_[:] = 0
    assert vectors(model, batch, list(range(len(ROWS)))).count_nonzero() == 0
    lengths = np.linalg.norm(weights, axis=0)
    used = np.unique(found.indices)
    assert np.allclose((found[:, used] / lengths[used]).power(2).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["logistic", "perceptron", "nb_bag"])
def test_bags_have_the_contributions_of_their_items(registry: Registry, name: str) -> None:
    model = build(registry, name)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_()
    found = vectors(model, make_batch(ROWS), list(range(len(ROWS))))
    assert sp.issparse(found) and (found.data >= 0).all() and found.count_nonzero() > 0
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert vectors(model, make_batch(ROWS), list(range(len(ROWS)))).count_nonzero() == 0


class _Odd(LitClassifier):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Identity()

    def forward(self, batch: TextBatch) -> torch.Tensor:
        return batch.tokens[:, :2].float()


def test_a_model_without_a_last_layer_is_named() -> None:
    with pytest.raises(ConfigError, match="_Odd has no last linear layer"):
        vectors(_Odd(), make_batch(ROWS), list(range(len(ROWS))))
