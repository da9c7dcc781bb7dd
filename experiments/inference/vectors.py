"""Vectors of texts by a model: what its last layer sees of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from experiments.config.registry import ConfigError
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator
from lit_models.base.fitted_values import parts
from lit_models.class_lm import ClassLM
from lit_models.nb_bag import NBBagNet

if TYPE_CHECKING:
    from experiments.inference.predictor import Predictor

Vectors: TypeAlias = sp.csr_matrix | np.ndarray
"""float[N, F] vectors, sparse where most of their numbers are 0."""


def text_vectors(
    predictor: Predictor,
    texts: Sequence[str],
    tell: Callable[[int], None] = lambda texts: None,
) -> Vectors:
    """Compute the vectors of texts, in their order.

    - A network: the activations that go into its last linear layer.
    - A linear model of features, such as TF-IDF weights: each feature times the length of its
      weights over the classes, less their mean. A feature that decides nothing counts nothing.
    - Another model of features, such as a forest: the features.
    - Language models of the classes: ln p of the text under each.

    Args:
        predictor: The model of a run.
        texts: N ≥ 1 texts.
        tell: Called with the number of texts of each batch.

    Returns:
        float32[N, F]; rows are not scaled.

    Raises:
        ConfigError: The model has neither features nor a last linear layer.
    """
    rows, blocks = list[int](), list[Any]()
    with torch.inference_mode():
        for part, batch in predictor.batches(texts):
            rows += part
            blocks.append(_of_batch(predictor.model, batch))
            tell(len(part))
    order = np.argsort(rows)
    if sp.issparse(blocks[0]):
        return sp.vstack(blocks, format="csr")[order].astype(np.float32)
    stacked: np.ndarray = np.concatenate(blocks)[order].astype(np.float32)
    return stacked


def _of_batch(model: LitClassifier, batch: TextBatch) -> Vectors:
    if isinstance(model, LitEstimator):
        return _of_estimator(model, batch)
    if isinstance(model, ClassLM):
        logits: np.ndarray = model(batch.blind()).float().cpu().numpy()
        return logits
    if isinstance(model.net, NBBagNet):
        return _of_nb_bag(model.net, batch)
    return _of_network(model, batch)


def _of_estimator(model: LitEstimator, batch: TextBatch) -> Vectors:
    features: Any = model.features(batch.ragged())
    for _, step in getattr(model.estimator, "steps", [])[:-1]:  # of a pipeline
        features = step.transform(features)
    width = features.shape[1]
    weights = [
        np.atleast_2d(part.coef_) for part in parts(model.estimator) if hasattr(part, "coef_")
    ]
    weights = [one for one in weights if one.shape[1] == width]
    if not weights:
        return sp.csr_matrix(features) if sp.issparse(features) else np.asarray(features)
    scale = _lengths(weights[-1].T)
    if sp.issparse(features):
        return sp.csr_matrix(features.multiply(scale))
    return np.asarray(features) * scale


def _of_nb_bag(net: NBBagNet, batch: TextBatch) -> sp.csr_matrix:
    items = net.vocabulary(batch.tokens, batch.lengths)
    terms = net.ratios.index_select(0, items.values) * net.weights(items.values)  # [N, K]
    entries = items.rows.cpu().numpy(), items.values.cpu().numpy()
    shape = (len(batch.lengths), len(net.ratios))
    return sp.csr_matrix((_lengths(terms.float().cpu().numpy()), entries), shape=shape)


def _of_network(model: LitClassifier, batch: TextBatch) -> Vectors:
    calls: list[tuple[nn.Module, tuple[Any, ...], dict[str, Any], Tensor]] = []

    def keep(module: nn.Module, inputs: Any, named: dict[str, Any], output: Any) -> None:
        calls.append((module, inputs, named, output))

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.EmbeddingBag)]
    hooks = [layer.register_forward_hook(keep, with_kwargs=True) for layer in layers]
    try:
        logits = model(batch.blind())
    finally:
        for hook in hooks:
            hook.remove()
    rows = len(batch.lengths)
    for layer, inputs, named, output in reversed(calls):
        if output.shape != logits.shape:
            continue
        if isinstance(layer, nn.Linear) and inputs[0].shape[:-1] == (rows,):
            vectors: np.ndarray = inputs[0].float().cpu().numpy()
            return vectors
        if isinstance(layer, nn.EmbeddingBag):
            return _of_bag(layer, inputs, named)
    raise ConfigError(
        f"{type(model).__name__} has no last linear layer whose input could be compared; search "
        "the corpus by words instead, by its name in place of the run"
    )


def _of_bag(
    layer: nn.EmbeddingBag, inputs: tuple[Any, ...], named: dict[str, Any]
) -> sp.csr_matrix:
    """Features of a linear layer (an `EmbeddingBag`), each times the length of its weights."""
    items, starts = (one.cpu().numpy() for one in inputs[:2])
    weights = _lengths(layer.weight[inputs[0]].float().cpu().numpy())
    counts = named.get("per_sample_weights", inputs[2] if len(inputs) > 2 else None)
    if counts is not None:
        weights = weights * counts.float().cpu().numpy()
    ends = np.append(starts, len(items))
    return sp.csr_matrix((weights, items, ends), shape=(len(starts), layer.num_embeddings))


def _lengths(weights: np.ndarray) -> np.ndarray:
    """float[F] lengths of float[F, K] weights over K classes, less their mean; of one: its size."""
    if weights.shape[1] > 1:
        weights = weights - weights.mean(axis=1, keepdims=True)
    lengths: np.ndarray = np.sqrt(np.square(weights).sum(axis=1))
    return lengths
