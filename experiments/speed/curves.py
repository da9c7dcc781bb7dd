"""Cost of training and prediction against the length of texts and the size of batches."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from datamodules.store.batching import TextLoader, TokenDataset, make_loader
from datamodules.store.ragged import Ragged
from experiments.speed.fitting import Fitting, time_prediction
from experiments.speed.operations import tokens_of
from lit_models.base.classifier import LitClassifier
from lit_models.base.without_steps import WithoutSteps

ROWS, STEPS = 16, 3
"""Rows of a batch of made rows, and measured steps at each length."""

_MOST_DRAWN = 65_536  # words of the corpus from which rows are made


def against_length(fitting: Fitting, lengths: Sequence[int]) -> list[dict[str, Any]] | None:
    """Train and predict on rows of exactly some lengths, words of the corpus one after the other.

    Returns:
        For each length the rates of real tokens and `milliseconds_per_step`, or the `error` of a
        length that the model cannot read; None for a model that is no network over texts.
    """
    model, data = fitting.model, fitting.data
    if isinstance(model, WithoutSteps) or not isinstance(model, LitClassifier):
        return None
    window, data.train_window = data.train_window, None
    before = data.train_dataloader, data.loader
    sizes, results = (data.batch_size, data.eval_batch_size), []
    try:
        data.batch_size = data.eval_batch_size = min(ROWS, data.batch_size)
        source = data.encoder.token_truncation.ragged(
            data.store.tokens("train"), data.store.rows("train")
        )
        for length in lengths:
            rates = _both(fitting, source.values[:_MOST_DRAWN], length)
            results.append({"length": length, "rows": data.batch_size} | rates)
    finally:
        data.train_dataloader, data.loader = before
        data.train_window, (data.batch_size, data.eval_batch_size) = window, sizes
    return results


def against_batch_size(fitting: Fitting, plan: Any) -> list[dict[str, Any]] | None:
    """Train on the sample with batches of some sizes.

    Returns:
        For each size the median rates; None for a model without steps.
    """
    if isinstance(fitting.model, WithoutSteps):
        return None
    size, results = fitting.data.batch_size, []
    try:
        for number in plan.batch_sizes:
            fitting.data.batch_size = number
            results.append({"batch_size": number} | _rates(fitting, plan))
    finally:
        fitting.data.batch_size = size
    return results


def _rates(fitting: Fitting, plan: Any) -> dict[str, Any]:
    try:
        fitting.warm_up(plan.warmup, plan.reviews)
        rounds = [fitting.train(plan.reviews) for _ in range(plan.rounds)]
    except (RuntimeError, MemoryError) as error:
        return {"error": _first_line(error)}
    seconds, batches = statistics.median(one.seconds for one in rounds), rounds[-1].batches
    return {
        "tokens_per_second": tokens_of(batches) / seconds,
        "reviews_per_second": sum(len(batch.lengths) for batch in batches) / seconds,
        "milliseconds_per_step": 1000 * seconds / len(batches),
    }


def _both(fitting: Fitting, words: np.ndarray, length: int) -> dict[str, Any]:
    """Training and prediction of made rows, or the error of a length that cannot be read."""
    try:
        loader = _loader(fitting, words, length)
        fitting.data.train_dataloader = lambda: loader
        fitting.data.loader = lambda part: loader
        fitting.warm_up(1)
        one = fitting.train(fitting.data.batch_size * STEPS)
        rows = fitting.data.batch_size * STEPS
        predicted = time_prediction(fitting.trainer, fitting.model, fitting.data, rows, 1)
    except (RuntimeError, MemoryError, IndexError, ValueError) as error:
        return {"error": _first_line(error)}
    return {
        "tokens_per_second": tokens_of(one.batches) / one.seconds,
        "milliseconds_per_step": 1000 * one.seconds / len(one.batches),
        "predicted_tokens_per_second": predicted["tokens_per_second"],
    }


def _loader(fitting: Fitting, words: np.ndarray, length: int) -> TextLoader:
    """Batches of rows, each of which begins where the one before ends."""
    size, data = fitting.data.batch_size, fitting.data
    rows = size * STEPS
    tokens = Ragged(np.resize(words, rows * length), np.arange(rows + 1) * length)
    labels = np.arange(rows) % fitting.model.num_classes
    if getattr(fitting.model, "multi_label", False):
        labels = np.eye(fitting.model.num_classes, dtype=np.int64)[labels]
    whole = data.encoder.token_truncation._replace(max_length=None)
    dataset = TokenDataset(tokens, labels, np.arange(rows), whole)
    return make_loader(dataset, size, split="made", shuffle=False, seed=0, rank=0, world=1)


def _first_line(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
