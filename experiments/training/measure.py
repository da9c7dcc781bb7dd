"""Predictions of a split, latency and throughput."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import lightning as L
import numpy as np
import torch

from datamodules.store.batching import TextLoader, TokenDataset
from datamodules.text import TextDataModule
from experiments.records.predictions import Predictions
from experiments.training import ranks
from lit_models.base.classifier import LitClassifier, Prediction

_LATENCY_TEXTS, _LATENCY_WARMUP = 200, 20
_BATCH_SIZES = (8, 32, 128, 512)
_SECONDS_A_SIZE, _SECONDS_A_BATCH = 0.5, 2.0


def predict(
    trainer: L.Trainer,
    model: LitClassifier,
    loader: TextLoader,
    groups: np.ndarray | None = None,
) -> Predictions:
    """Predicts every row of a loader once, each rank a part of every batch. Collective.

    The model is given no labels, whatever it overrides.

    Args:
        trainer: its devices and precision are used.
        model: the fitted model.
        loader: of `TextDataModule.loader`.
        groups: int64, group of each row of the split by id; None: not known.

    Returns:
        The predictions of all ranks in id order, on every rank.
    """
    dataset: TokenDataset = loader.dataset  # type: ignore[assignment]
    unlabelled = TextLoader(dataset.unlabelled(), sampler=loader.sampler)
    batches: Any = trainer.predict(model, dataloaders=unlabelled)
    return gather(batches, dataset, groups)


def gather(
    batches: Sequence[Prediction], dataset: TokenDataset, groups: np.ndarray | None
) -> Predictions:
    """Gathers the predictions of all ranks in id order, on every rank. Collective.

    Args:
        batches: predictions of this rank.
        dataset: the rows that all ranks together have predicted once each.
        groups: as for `predict`.
    """
    columns = zip(*batches, strict=True)
    arrays = [np.concatenate([part.numpy() for part in column]) for column in columns]
    ids, probabilities = map(np.concatenate, zip(*ranks.all_gather(arrays), strict=True))
    labels = dataset.labels[ids]  # aligned by id, not by order
    of_rows = None if groups is None else groups[ids]
    predictions = Predictions(ids, labels, probabilities, of_rows).in_id_order()
    if not np.array_equal(predictions.ids, dataset.rows):
        raise RuntimeError(f"{len(ids)} predictions do not cover the split's rows once each")
    return predictions


def latency(trainer: L.Trainer, model: LitClassifier, data: TextDataModule) -> np.ndarray:
    """Milliseconds from a raw text to its probabilities: float[N] over N validation texts.

    One text at a time, on the trainer's device and in its precision.
    """
    texts = _validation_texts(data, _LATENCY_TEXTS)
    device = trainer.strategy.root_device
    model.to(device).eval()  # Lightning moved it to the CPU after predicting
    times = []
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for text in texts[:_LATENCY_WARMUP] + texts:
            started = time.perf_counter()
            batch = data.encoder.encode([text])
            model.predict_step(model.transfer_batch_to_device(batch, device, 0))
            times.append((time.perf_counter() - started) * 1000)
    return np.array(times[min(_LATENCY_WARMUP, len(texts)) :])


def throughput(trainer: L.Trainer, model: LitClassifier, data: TextDataModule) -> tuple[float, int]:
    """Reviews per second from raw texts to probabilities at the best batch size, and that size.

    Batches hold validation texts of similar length, as those of a loader do. The batch size grows
    while throughput does; each size is measured on its batches in random order, for half a second
    and at least one batch.
    """
    texts = sorted(_validation_texts(data), key=len)
    device = trainer.strategy.root_device
    model.to(device).eval()
    best, best_size = 0.0, 1
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for size in _BATCH_SIZES:
            starts = np.random.default_rng(0).permutation(np.arange(0, len(texts), size))
            reviews = seconds = 0.0
            for number, start in enumerate([starts[-1], *starts]):  # the first warms up
                started = time.perf_counter()
                batch = data.encoder.encode(texts[start : start + size])
                model.predict_step(model.transfer_batch_to_device(batch, device, 0))
                if number:
                    reviews += len(batch.labels)
                    seconds += time.perf_counter() - started
                if seconds > _SECONDS_A_SIZE:
                    break
            if reviews / seconds <= best:
                break
            best, best_size = reviews / seconds, min(size, len(texts))
            if size >= len(texts) or 4 * size / best > _SECONDS_A_BATCH:
                break  # no more texts, or a batch of the next size takes too long
    return best, best_size


def _validation_texts(data: TextDataModule, limit: int | None = None) -> list[str]:
    """Raw validation texts, at equal steps where there are more than the limit."""
    rows = data.store.rows("val")
    texts = data.texts("train")
    step = 1 if limit is None else max(1, len(rows) // limit)
    return [texts[row] for row in rows[::step]][:limit]
