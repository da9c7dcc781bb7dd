"""The metrics of a part, from docs/statistics.md#metrics."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tests.recomputation.published import Answers

BINS = 15
LEAST = 1 / 131070  # probability in the log loss
NEWER = ("balanced_accuracy", "per_class", "confusion")  # which older rows lack


@cache
def metrics(answers: Answers) -> dict[str, Any]:
    """All metrics of one part of a run."""
    right, labels = answers.right, answers.labels
    likely_right = answers.likelier == (labels == 1)
    counts = [
        [int((answers.called[labels == label] == called).sum()) for called in (False, True)]
        for label in (0, 1)
    ]
    classes = [_of_class(counts, label) for label in (0, 1)]
    of_label = np.where(labels == 1, answers.chances, answers.others)
    return {
        "accuracy": right.mean(),
        "f1": np.mean([_f1(right, labels == label) for label in (0, 1)]),
        "auroc": _auroc(answers.order, labels == 1),
        "log_loss": -np.log(np.maximum(of_label, LEAST)).mean(),
        "ece": _ece(np.maximum(answers.chances, answers.others), likely_right),
        "n": len(labels),
        "balanced_accuracy": (classes[0]["recall"] + classes[1]["recall"]) / 2,
        "per_class": classes,
        "confusion": counts,
        "mae": None if answers.errors is None else answers.errors.mean(),
    }


def differ(key: str, stored: Any, found: Any) -> bool:
    """True if a metric is not the one found; older rows lack some, which are not compared."""
    if stored is None and (key in NEWER or found is None):
        return False
    if isinstance(stored, list) and isinstance(found, list):
        pairs = zip(stored, found, strict=False)
        return len(stored) != len(found) or any(differ(key, *pair) for pair in pairs)
    if isinstance(stored, dict) and isinstance(found, dict):
        return any(differ("", stored.get(k), found.get(k)) for k in stored.keys() | found.keys())
    # Two reviews of unequal class that change places move the AUROC by 6e-9.
    return stored is None or found is None or not abs(stored - found) < 1e-8


def _of_class(counts: list[list[int]], label: int) -> dict[str, float]:
    hits, support = counts[label][label], sum(counts[label])
    called = counts[0][label] + counts[1][label]
    f1 = 2 * hits / (support + called) if support + called else 0.0
    shares = {"precision": hits / max(called, 1), "recall": hits / max(support, 1)}
    return {**shares, "f1": f1, "support": support}


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
