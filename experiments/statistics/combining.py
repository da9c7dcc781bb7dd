"""Combination of models: the weighted mean of their log-probabilities, renormalised.

With members m, classes c and weights w_m of at least 0,

    p(c) = exp(Σ_m w_m ln p_m(c)) / Σ_k exp(Σ_m w_m ln p_m(k)).

A weight is two things in one: the share of a member in the mean, and a scale that makes its
probabilities more confident (above 1) or less. The weights minimise the log loss on validation,
which is convex in them. With two classes that is a logistic regression of the label on the log-odds
of the members, without an intercept. (Genest and Zidek 1986, "Combining Probability Distributions",
call the mean a logarithmic opinion pool.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import LOG_LOSS_FLOOR

LARGEST = 20.0
"""Largest weight: without a limit that of a member without errors on validation is infinite."""


def combine(
    members: Sequence[NDArray[np.floating]], weights: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Combine the probabilities of members.

    Args:
        members: float[N, C] of each; clipped from below at 1/131070, since saturated probabilities
            would outvote all others.
        weights: float[M], none negative.

    Returns:
        float64[N, C], rows summing to 1.
    """
    from scipy.special import softmax

    probabilities: NDArray[np.float64] = softmax(
        np.tensordot(weights, _logarithms(members), 1), axis=1
    )
    return probabilities


def fit_weights(
    labels: NDArray[np.integer], members: Sequence[NDArray[np.floating]]
) -> NDArray[np.float64]:
    """Fit the weights that minimise the log loss of the combination.

    Members that are equal have equal weights.

    Args:
        labels: int[N], of validation rows.
        members: float[N, C] of each.

    Returns:
        float64[M], each in 0..20.
    """
    from scipy import optimize
    from scipy.special import softmax

    logs = _logarithms(members)
    rows = np.arange(len(labels))
    of_label = logs[:, rows, labels]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.tensordot(weights, logs, 1)
        probabilities = softmax(scores, axis=1)
        expected = (logs * probabilities).sum(axis=2)
        top = scores.max(axis=1)
        normaliser = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
        return (
            float((normaliser - scores[rows, labels]).mean()),
            (expected - of_label).mean(axis=1),
        )

    found = optimize.minimize(
        loss,
        np.full(len(logs), 1 / len(logs)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, LARGEST)] * len(logs),
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 10_000},
    )
    weights: NDArray[np.float64] = found.x
    return weights


def _logarithms(members: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Logarithms of probabilities, float64[M, N, C]."""
    stacked = np.stack([one.astype(np.float64) for one in members])
    return np.log(np.maximum(stacked, LOG_LOSS_FLOOR))
