"""Calibration: what probabilities are worth, and one number that mends most of what they lack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import ECE_BINS, LOG_LOSS_FLOOR, calibration_error

TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Bin:
    """One part of a reliability diagram.

    Attributes:
        confidence: Mean probability of the predicted class, in 0..1.
        accuracy: Share of rows whose predicted class is the label.
        n: Number of rows.
    """

    confidence: float
    accuracy: float
    n: int


@dataclass(frozen=True)
class Scores:
    """Calibration of one set of probabilities: lower is better.

    Attributes:
        ece: Expected calibration error, in 0..1 (`evaluation.calibration_error`).
        brier: Brier score (`brier`).
        log_loss: Mean of -ln p(label), in nats, clipped as in `evaluation.Metrics`.
    """

    ece: float
    brier: float
    log_loss: float


def fit_temperature(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """The temperature T that gives the labels the lowest log loss (Guo et al. 2017).

    Logits over T, softmax: above 1 it makes a model less sure, below 1 surer; which class leads
    stays. Logits are taken as ln p, which differ from a network's own by a constant per row, and
    softmax does not see it. To be fitted on validation rows.

    Args:
        labels: int[N].
        probabilities: float[N, C]; clipped from below at 1/131070, as published ones are rounded.

    Returns:
        T in 0.05..20; an end of that where no finite one is best (all rows right, all wrong).
    """
    from scipy import optimize
    from scipy.special import logsumexp

    logits = _logits(probabilities)
    of_label = logits[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float((logsumexp(logits * scale, axis=1) - of_label * scale).mean())

    ends = tuple(np.log(TEMPERATURES))
    result = optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(result.x))


def apply_temperature(
    probabilities: NDArray[np.floating], temperature: float
) -> NDArray[np.float64]:
    """softmax(ln p / T): float64[N, C], rows summing to 1."""
    from scipy.special import softmax

    result: NDArray[np.float64] = softmax(_logits(probabilities) / temperature, axis=1)
    return result


def brier(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Mean squared distance between probabilities and labels (Brier 1950).

    With two classes that of class 1, in 0..1, as is usual; with more the sum over classes, in 0..2.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    truth = np.eye(probabilities.shape[1])[labels]
    distances = ((probabilities - truth) ** 2).sum(axis=1)
    return float(distances.mean()) / (2 if probabilities.shape[1] == 2 else 1)


def reliability(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], bins: int = ECE_BINS
) -> list[Bin]:
    """The reliability diagram: the very bins whose mean gap is the expected calibration error.

    Args:
        labels: int[N].
        probabilities: float[N, C].
        bins: Number of parts of equal mass, fewer when there are fewer rows.

    Returns:
        The bins, by rising confidence.
    """
    predicted = probabilities.argmax(axis=1)
    values, group = np.unique(probabilities.max(axis=1), return_inverse=True)
    # Rows of equal confidence share their mean correctness, as in `calibration_error`.
    share = np.bincount(group, weights=predicted == labels) / np.bincount(group)
    parts = np.array_split(np.sort(group), min(bins, len(group)))
    return [Bin(float(values[p].mean()), float(share[p].mean()), len(p)) for p in parts]


def scores(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Scores:
    """Calibration of one run's probabilities, float[N, C]."""
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    of_label = probabilities[np.arange(len(labels)), labels]
    return Scores(
        ece=calibration_error(confidence, predicted == labels),
        brier=brier(labels, probabilities),
        log_loss=float(-np.log(np.maximum(of_label, LOG_LOSS_FLOOR)).mean()),
    )


def _logits(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    clipped = np.maximum(np.asarray(probabilities, dtype=np.float64), LOG_LOSS_FLOOR)
    logits: NDArray[np.float64] = np.log(clipped)
    return logits
