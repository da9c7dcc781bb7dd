"""Labels as arrays: one class number a text, or, where a text has several labels, multi-hot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def multi_hot(sets: Sequence[Sequence[int]], num_classes: int) -> np.ndarray:
    """int8[N, C], 1 where a text has a label.

    Args:
        sets: numbers of the labels of each text.
        num_classes: C.
    """
    labels = np.zeros((len(sets), num_classes), dtype=np.int8)
    for row, numbers in enumerate(sets):
        labels[row, list(numbers)] = 1
    return labels


def members(labels: np.ndarray, label: int) -> np.ndarray:
    """bool[N], whether a text has a label; labels are int[N] or multi-hot int[N, C]."""
    texts: np.ndarray = labels == label if labels.ndim == 1 else labels[:, label] == 1
    return texts


def occurring(labels: np.ndarray) -> int:
    """Number of labels that some text has; labels are int[N] or multi-hot int[N, C]."""
    return len(np.unique(labels)) if labels.ndim == 1 else int((labels == 1).any(axis=0).sum())


def strata(labels: np.ndarray) -> np.ndarray:
    """int64[N], class by which the rows of a draw are stratified.

    It is the label itself or, of the several labels of a text, the one that fewest texts have: a
    draw in proportion to these classes is nearly one to all labels, the rare ones first. Texts
    without a label are a class of their own.

    Args:
        labels: int64[N], or multi-hot int[N, C].
    """
    if labels.ndim == 1:
        return labels
    texts = (labels == 1).sum(axis=0)
    rank = np.empty(len(texts), dtype=np.int64)
    rank[np.argsort(texts, kind="stable")] = np.arange(len(texts))
    ranks = np.where(labels == 1, rank, len(texts)).min(axis=1, initial=len(texts))
    return np.unique(ranks, return_inverse=True)[1].astype(np.int64)
