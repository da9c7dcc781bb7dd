"""The score that is explained, and the model that gives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datamodules.store.batching import TextBatch
from datamodules.store.corpus import UNLABELLED
from lit_models.base.classifier import LitClassifier

_LEAST = 1e-6


def score_of(logits: Tensor, label: int) -> Tensor:
    """float[B] mean over the other classes k of ln(p_label / p_k), from float[B, C] logits."""
    others = logits.shape[1] - 1
    return logits[:, label] - (logits.sum(dim=1) - logits[:, label]) / others


def rows_batch(rows: Sequence[np.ndarray], pad_id: int, device: torch.device) -> TextBatch:
    """Batch of rows of token ids, padded at their ends; labels and ids are unknown."""
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), pad_id)
    for line, row in zip(tokens, rows, strict=True):
        line[: len(row)] = torch.from_numpy(row)
    unknown = torch.full_like(lengths, UNLABELLED)
    return TextBatch(*(part.to(device) for part in (tokens, lengths, unknown, unknown)))


def probabilities(
    model: LitClassifier, rows: Sequence[np.ndarray], pad_id: int, most: int = 2**16
) -> np.ndarray:
    """float64[N, C] probabilities of N ≥ 1 rows of tokens, about `most` tokens at a time."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    found, left = np.zeros((len(rows), model.num_classes)), order
    while left:
        size = max(1, most // len(rows[left[-1]]))
        part, left = left[-size:], left[:-size]
        batch = rows_batch([rows[row] for row in part], pad_id, model.device)
        with torch.inference_mode():
            found[part] = model.predict_step(batch).probabilities.numpy()
    return found


def scores(model: LitClassifier, rows: Sequence[np.ndarray], pad_id: int, label: int) -> np.ndarray:
    """float64[N] scores of rows of tokens.

    A probability of 0 counts as the least other one among the rows, at most a millionth: a forest
    gives 0 to a class for which no tree votes, naive Bayes where 32 bits end.
    """
    found = probabilities(model, rows, pad_id)
    least = found[found > 0].min(initial=_LEAST)
    return score_of(torch.from_numpy(np.log(np.maximum(found, least))), label).numpy()
