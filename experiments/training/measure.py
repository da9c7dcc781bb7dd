"""Predictions of a split, latency, throughput, and the precision a machine is good for."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
import numpy as np
import torch

from datamodules.store.batching import TextLoader
from datamodules.text import TextDataModule
from experiments.records.predictions import Predictions
from experiments.training import ranks
from lit_models.base.classifier import LitClassifier

_LATENCY_TEXTS, _LATENCY_WARMUP = 200, 20
_BATCH_SIZES = (8, 32, 128, 512)
_SECONDS_A_SIZE, _SECONDS_A_BATCH = 0.5, 2.0


def predict(trainer: L.Trainer, model: LitClassifier, loader: TextLoader) -> Predictions:
    """Predicts every row of a loader once, each rank its share of every batch.

    Returns:
        On every rank, the predictions in id order.
    """
    batches: Any = trainer.predict(model, dataloaders=loader)
    own = [np.concatenate([part.numpy() for part in parts]) for parts in zip(*batches, strict=True)]
    ids, probabilities = map(np.concatenate, zip(*ranks.all_gather(own), strict=True))
    labels = loader.dataset.labels[ids]  # type: ignore[attr-defined]  # aligned by id, not by order
    predictions = Predictions(ids, labels, probabilities).in_id_order()
    if not np.array_equal(predictions.ids, loader.dataset.rows):  # type: ignore[attr-defined]
        raise RuntimeError(f"{len(ids)} predictions do not cover the split's rows once each")
    return predictions


def latency(trainer: L.Trainer, model: LitClassifier, data: TextDataModule) -> np.ndarray:
    """Milliseconds from one raw text to its probabilities, over validation texts as they come.

    On the device and in the precision that the trainer predicts with, one text at a time.
    """
    texts = _validation_texts(data, _LATENCY_TEXTS)
    device = trainer.strategy.root_device
    model.to(device).eval()  # Lightning brought it back to the CPU after predicting
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

    Validation texts of like length together, as a loader has them. Sizes grow until they stop to
    pay; each is measured on some of its batches, for half a second or one batch.
    """
    texts = sorted(_validation_texts(data), key=len)
    device = trainer.strategy.root_device
    model.to(device).eval()
    best, best_size = 0.0, 1
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for size in _BATCH_SIZES:
            starts = np.random.default_rng(0).permutation(np.arange(0, len(texts), size))
            done = seconds = 0.0
            for number, start in enumerate([starts[-1], *starts]):  # the first warms up
                began = time.perf_counter()
                batch = data.encoder.encode(texts[start : start + size])
                model.predict_step(model.transfer_batch_to_device(batch, device, 0))
                if number:
                    done += len(batch.labels)
                    seconds += time.perf_counter() - began
                if seconds > _SECONDS_A_SIZE:
                    break
            if done / seconds <= best:
                break
            best, best_size = done / seconds, min(size, len(texts))
            if size >= len(texts) or 4 * size / best > _SECONDS_A_BATCH:
                break  # a larger batch is none, or takes a slow model too long
    return best, best_size


def _validation_texts(data: TextDataModule, most: int | None = None) -> list[str]:
    """Raw validation texts: all, or some at equal steps."""
    rows = data.store.rows("val")
    every = data.texts("train")
    step = 1 if most is None else max(1, len(rows) // most)
    return [every[row] for row in rows[::step]][:most]


def resolve_precision(asked: str) -> str:
    """`auto` made concrete: bf16 where the hardware has it, fp16 on older cards, else fp32."""
    if asked != "auto":
        return asked
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
