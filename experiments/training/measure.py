"""Predictions of a split, latency and throughput."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import lightning as L
import numpy as np
import torch

from datamodules.store.batching import TextLoader, TokenDataset
from datamodules.store.ragged import Ragged, rows_of
from datamodules.text import TextDataModule
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.hypotheses import Hypotheses, nearest
from experiments.records.problems.label_sets import LabelSets
from experiments.records.problems.outputs import Outputs
from experiments.records.problems.regressions import Regressions
from experiments.records.problems.scores import Scores
from experiments.records.problems.tag_counts import TagCounts
from experiments.records.problems.tag_evidence import as_kept
from experiments.training import ranks
from lit_models.base.classifier import LitClassifier, Unit
from lit_models.base.model import LitModel

AnyOutputs = TypeVar("AnyOutputs", bound=Outputs)
_LATENCY_TEXTS, _LATENCY_WARMUP = 200, 20
_BATCH_SIZES = (8, 32, 128, 512)
_SECONDS_A_SIZE, _SECONDS_A_BATCH = 0.5, 2.0


def predict(trainer: L.Trainer, model: LitModel, data: TextDataModule, part: str) -> Outputs:
    """Predicts every row of `val` or `test` once, each rank a part of every batch. Collective.

    A model that predicts blind is given no labels, whatever it overrides.

    Args:
        trainer: its devices and precision are used.
        model: the fitted model.
        data: set up.
        part: of the rows.

    Returns:
        The outputs of all ranks in id order, on every rank.
    """
    loader = data.loader(part)
    dataset: TokenDataset = loader.dataset  # type: ignore[assignment]
    if model.predicts_blind:
        loader = TextLoader(dataset.unlabelled(), sampler=loader.sampler)
    batches: Any = trainer.predict(model, dataloaders=loader)
    ids, *arrays = gather(batches)
    groups = data.groups("train" if part == "val" else part)
    outputs = _OUTPUTS[model.problem](ids, arrays, data, part)
    if isinstance(model, LitClassifier) and isinstance(outputs, Predictions):
        outputs = _with_values(outputs, model.unit, data, part)
    outputs = outputs.with_groups(None if groups is None else groups[ids]).in_id_order()
    return checked(outputs, dataset)


def gather(batches: Sequence[NamedTuple]) -> list[np.ndarray]:
    """Gathers the fields of what all ranks predicted, on every rank. Collective.

    Args:
        batches: predictions of this rank.
    """
    columns = zip(*batches, strict=True)
    arrays = [np.concatenate([part.numpy() for part in column]) for column in columns]
    return [np.concatenate(parts) for parts in zip(*ranks.all_gather(arrays), strict=True)]


def labelled(ids: np.ndarray, probabilities: np.ndarray, dataset: TokenDataset) -> Predictions:
    """Predictions with the labels of their rows, in id order.

    Args:
        ids: int64[N].
        probabilities: float[N, C].
        dataset: the rows that all ranks together have predicted once each.
    """
    labels = dataset.labels[ids]  # aligned by id, not by order
    return checked(Predictions(ids, labels, probabilities).in_id_order(), dataset)


def checked(outputs: AnyOutputs, dataset: TokenDataset) -> AnyOutputs:
    """The same outputs, unless they are not those of the rows of a dataset, once each."""
    if not np.array_equal(outputs.ids, dataset.rows):
        raise RuntimeError(f"{len(outputs.ids)} outputs do not cover the split's rows once each")
    return outputs


def _predictions(
    ids: np.ndarray, arrays: list[np.ndarray], data: TextDataModule, part: str
) -> Outputs:
    labels = data.store.labels("train" if part == "val" else part)
    return Predictions(ids, labels[ids].astype(np.int64), arrays[0])


def _with_values(
    outputs: Predictions, unit: Unit | None, data: TextDataModule, part: str
) -> Predictions:
    """Predictions of a regression with the true values of its unit, as it was fitted to them."""
    if unit is None:
        return outputs
    stars = data.stars("train" if part == "val" else part) if unit == "stars" else None
    if stars is None:
        return Regressions.of(outputs, "sign", 2 * outputs.labels - 1)
    return Regressions.of(outputs, "stars", stars[outputs.ids])


def _label_sets(
    ids: np.ndarray, arrays: list[np.ndarray], data: TextDataModule, part: str
) -> Outputs:
    labels = data.store.labels("train" if part == "val" else part)
    return LabelSets(ids, labels[ids].astype(np.int8), arrays[0])


def _scores(ids: np.ndarray, arrays: list[np.ndarray], data: Any, part: str) -> Outputs:
    log_probabilities, symbols = arrays
    return Scores(ids, log_probabilities, symbols, data.characters(part)[ids])


def _hypotheses(ids: np.ndarray, arrays: list[np.ndarray], data: Any, part: str) -> Outputs:
    symbols, log_probabilities = arrays
    split, rows = "train" if part == "val" else part, symbols.astype(np.uint8)
    strings = [row.tobytes().partition(b"\0")[0] for row in rows]  # up to the end
    found = [nearest(one, data.answers(split, row)) for one, row in zip(strings, ids, strict=True)]
    distances, lengths = (np.array(values, dtype=np.int64) for values in zip(*found, strict=True))
    return Hypotheses(ids, strings, log_probabilities.astype(np.float32), distances, lengths)


def _tag_counts(ids: np.ndarray, arrays: list[np.ndarray], data: Any, part: str) -> Outputs:
    words, tags, log_probabilities = arrays
    written = Ragged(tags, np.concatenate([[0], np.cumsum(words)]))
    right = rows_of(data.tags("train" if part == "val" else part), ids)
    counts = data.count(right, written)
    logs = as_kept(log_probabilities, words)
    return TagCounts(ids, logs, words, counts, data.figures, data.averaged)


_OUTPUTS: dict[str, Callable[..., Outputs]] = {
    "classification": _predictions,
    "multi-label classification": _label_sets,
    "language modelling": _scores,
    "transcription": _hypotheses,
    "tagging": _tag_counts,
}


def latency(trainer: L.Trainer, model: LitModel, data: TextDataModule) -> np.ndarray:
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


def throughput(trainer: L.Trainer, model: LitModel, data: TextDataModule) -> tuple[float, int]:
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
    count = len(rows) if limit is None else min(limit, len(rows))
    return [texts[rows[number * len(rows) // count]] for number in range(count)]
