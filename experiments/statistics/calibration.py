"""Calibration of probabilities: scores, reliability diagrams and temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import ECE_BINS, LOG_LOSS_FLOOR, calibration_error

TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Bin:
    """Bin of a reliability diagram.

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
    """Calibration scores of a set of probabilities; lower is better.

    Attributes:
        ece: Expected calibration error, in 0..1 (`metrics.calibration_error`).
        brier: Brier score (`brier`).
        log_loss: Mean of -ln p(label), in nats, clipped as in `metrics.Metrics`.
    """

    ece: float
    brier: float
    log_loss: float


def fit_temperature(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Fit the temperature T that minimises the log loss of softmax(logits / T) (Guo et al. 2017).

    T above 1 lowers the confidence of a model, T below 1 raises it; the predicted class stays the
    same. ln p is used for the logits: it differs from the logits of the network by a constant per
    row, which softmax cancels. To be fitted on validation rows.

    Args:
        labels: int[N].
        probabilities: float[N, C]; clipped from below at 1/131070, as in the log loss.

    Returns:
        T in 0.05..20; one of the ends if the optimum is not finite (all rows right, or all wrong).
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
    """Divide ln p by T and apply softmax: float64[N, C], rows summing to 1."""
    from scipy.special import softmax

    result: NDArray[np.float64] = softmax(_logits(probabilities) / temperature, axis=1)
    return result


def brier(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Mean squared distance between probabilities and labels (Brier 1950).

    For two classes that of class 1, in 0..1, as is usual; for more the sum over classes, in 0..2.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    truth = np.eye(probabilities.shape[1])[labels]
    distances = ((probabilities - truth) ** 2).sum(axis=1)
    return float(distances.mean()) / (2 if probabilities.shape[1] == 2 else 1)


def reliability(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], bins: int = ECE_BINS
) -> list[Bin]:
    """Reliability diagram, with the bins of the expected calibration error.

    Args:
        labels: int[N].
        probabilities: float[N, C].
        bins: Number of bins of equal mass; fewer if there are fewer rows.

    Returns:
        The bins, by rising confidence.
    """
    predicted = probabilities.argmax(axis=1)
    values, group = np.unique(probabilities.max(axis=1), return_inverse=True)
    # Rows of equal confidence count with their mean correctness, as in `calibration_error`.
    share = np.bincount(group, weights=predicted == labels) / np.bincount(group)
    parts = np.array_split(np.sort(group), min(bins, len(group)))
    return [Bin(float(values[p].mean()), float(share[p].mean()), len(p)) for p in parts]


def scores(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Scores:
    """Calibration scores of probabilities float[N, C]."""
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
