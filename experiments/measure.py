"""Predictions of a split, the latency of one text, and the precision a machine is good for."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
import numpy as np
import torch

from datamodules.batching import TextLoader
from datamodules.text import TextDataModule
from experiments import ranks
from experiments.predictions import Predictions
from lit_models.classifier import LitClassifier

_LATENCY_TEXTS, _LATENCY_WARMUP = 200, 20


def predict(
    trainer: L.Trainer, model: LitClassifier, loader: TextLoader
) -> tuple[Predictions, float]:
    """Predicts every row of a loader once, each rank its share of every batch.

    Returns:
        On every rank, the predictions in id order, and rows per second from token arrays to
        probabilities.
    """
    started = time.perf_counter()
    batches: Any = trainer.predict(model, dataloaders=loader)
    own = [np.concatenate([part.numpy() for part in parts]) for parts in zip(*batches, strict=True)]
    ids, probabilities = map(np.concatenate, zip(*ranks.gathered(own), strict=True))
    seconds = time.perf_counter() - started
    labels = loader.dataset.labels[ids]  # type: ignore[attr-defined]  # aligned by id, not by order
    predictions = Predictions(ids, labels, probabilities).in_id_order()
    if not np.array_equal(predictions.ids, loader.dataset.rows):  # type: ignore[attr-defined]
        raise RuntimeError(f"{len(ids)} predictions do not cover the split's rows once each")
    return predictions, len(ids) / seconds


def latency(trainer: L.Trainer, model: LitClassifier, data: TextDataModule) -> np.ndarray:
    """Milliseconds from one raw text to its probabilities, over validation texts as they come.

    On the device and in the precision that the trainer predicts with, one text at a time.
    """
    rows = data.store.rows("val")
    step = max(1, len(rows) // _LATENCY_TEXTS)
    every = data.texts("train")
    texts = [every[row] for row in rows[::step]][:_LATENCY_TEXTS]
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


def resolve_precision(asked: str) -> str:
    """`auto` made concrete: bf16 where the hardware has it, fp16 on older cards, else fp32."""
    if asked != "auto":
        return asked
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
