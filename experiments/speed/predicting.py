"""Rate of prediction on validation rows."""

from __future__ import annotations

import statistics
import time
from typing import Any

import lightning as L
import numpy as np
import torch

from datamodules.store.batching import TextLoader
from datamodules.text import TextDataModule
from experiments.speed.operations import positions_of, tokens_of
from lit_models.base.model import LitModel


def time_prediction(
    trainer: L.Trainer, model: LitModel, data: TextDataModule, rows: int, rounds: int
) -> dict[str, Any]:
    """Predict validation batches of all lengths in rounds, after one that is not measured.

    Args:
        trainer: Its device and precision are used.
        model: Fitted.
        data: Set up.
        rows: Most rows of a round, rounded up to whole batches.
        rounds: Number of rounds.

    Returns:
        The median `seconds` of a round, the `rounds`, `tokens_per_second` of real tokens,
        `reviews_per_second`, `padding_share`; and the `batches`.
    """
    device = trainer.strategy.root_device
    batches = [
        model.transfer_batch_to_device(batch, device, 0)
        for batch in _some(data.loader("val"), -(-rows // data.eval_batch_size))
    ]
    model.to(device).eval()
    seconds = []
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for _ in range(1 + rounds):
            _synchronise(device)
            started = time.perf_counter()
            for batch in batches:
                model.predict_step(batch)
            _synchronise(device)
            seconds.append(time.perf_counter() - started)
    model.train()
    median, tokens = statistics.median(seconds[1:]), tokens_of(batches)
    count = sum(len(batch.lengths) for batch in batches)
    return {
        "seconds": median,
        "rounds": seconds[1:],
        "reviews": count,
        "tokens_per_second": tokens / median,
        "reviews_per_second": count / median,
        "padding_share": 1 - tokens / sum(map(positions_of, batches)),
        "batches": batches,
    }


def _some(loader: TextLoader, count: int) -> list[Any]:
    """Select batches of all lengths; the loader has the longest first."""
    items = list(loader.sampler.items())
    count = min(count, len(items))
    chosen = ((np.arange(count) + 0.5) * len(items) / count).astype(int)
    return [loader.dataset[items[number]] for number in chosen]


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
