"""Labels that are likely to be wrong, from probabilities by models that did not learn from them.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
and, for the rank, Kuan and Mueller 2022, "Model-agnostic label quality scoring to detect real-world
label errors".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LabelQuality:
    """Quality of N labels.

    Attributes:
        self_confidence: float64[N], probability of the label.
        margin: float64[N], (probability of the label - largest of the others + 1) / 2, in 0..1. The
            lower, the less the label fits; for two classes it orders as `self_confidence` does.
        suggested: int64[N], class that the model would have given.
        likely_wrong: bool[N], the model is confident of another class, in the sense of the paper.
    """

    self_confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    suggested: NDArray[np.int64]
    likely_wrong: NDArray[np.bool_]


def label_quality(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> LabelQuality:
    """Compute the quality of labels.

    A model is confident of class c for a row if its probability is at least the mean of those that
    rows labelled c have. A label is likely wrong if the most probable of these classes is another,
    and the prediction too.

    Args:
        labels: int64[N], 0 … C - 1.
        probabilities: float[N, C], by models that did not learn from the row.
    """
    exact = probabilities.astype(np.float64)
    rows, classes = np.arange(len(labels)), exact.shape[1]
    own = exact[rows, labels]
    others = exact.copy()
    others[rows, labels] = -np.inf
    counts = np.bincount(labels, minlength=classes)
    means = np.bincount(labels, weights=own, minlength=classes) / np.maximum(counts, 1)
    # No row is confident of a class without rows; 1e-6 is rounding.
    confident = exact >= np.where(counts > 0, means - 1e-6, np.inf)
    confident_class = np.where(confident, exact, -1.0).argmax(axis=1)
    predicted = exact.argmax(axis=1)
    return LabelQuality(
        self_confidence=own,
        margin=(own - others.max(axis=1) + 1) / 2,
        suggested=predicted,
        likely_wrong=confident.any(axis=1) & (confident_class != labels) & (predicted != labels),
    )
