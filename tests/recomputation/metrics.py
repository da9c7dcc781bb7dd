"""The five metrics of a part, from docs/statistics.md#metrics."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tests.recomputation.published import Answers

BINS = 15
LEAST = 1 / 131070  # probability in the log loss


@cache
def metrics(answers: Answers) -> dict[str, float]:
    """All metrics of one part of a run."""
    right, labels = answers.right, answers.labels
    of_label = np.where(labels == 1, answers.chances, answers.others)
    return {
        "accuracy": right.mean(),
        "f1": np.mean([_f1(right, labels == label) for label in (0, 1)]),
        "auroc": _auroc(answers.order, labels == 1),
        "log_loss": -np.log(np.maximum(of_label, LEAST)).mean(),
        "ece": _ece(np.maximum(answers.chances, answers.others), right),
        "n": len(labels),
    }


def _f1(right: NDArray[np.bool_], of_class: NDArray[np.bool_]) -> float:
    hits = (right & of_class).sum()
    return float(2 * hits / (2 * hits + (~right).sum()))  # each error is a miss and a false alarm


def _auroc(order: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Chance that a positive review ranks above a negative one, ties counted half."""
    ones, zeros = positive.sum(), (~positive).sum()
    above = rankdata(order)[positive].sum() - ones * (ones + 1) / 2
    return float(above / (ones * zeros))


def _ece(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    order = np.argsort(sure)
    sure, right = sure[order], right[order]
    _, starts, ties = np.unique(sure, return_index=True, return_counts=True)
    share = np.repeat(np.add.reduceat(right.astype(float), starts) / ties, ties)
    size, more = divmod(len(sure), BINS)
    ends = np.cumsum([size + (at < more) for at in range(BINS)])
    gaps = [part.sum() for part in np.split(share - sure, ends[:-1])]
    return float(np.abs(gaps).sum() / len(sure))
