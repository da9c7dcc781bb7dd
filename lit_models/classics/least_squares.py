"""Least squares with a squared penalty, in closed form and by conjugate gradients."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.exceptions import ConvergenceWarning

Solver = Literal["gradient", "closed_form"]
LARGEST = 20_000
"""Largest number of features, or of rows if these are fewer, for a closed form: 3.2 GB."""
_TOLERANCE = 1e-8  # of the gradient, as a share of that at 0


def ridge(
    features: sp.csr_matrix,
    targets: np.ndarray,
    penalty: float,
    solver: Solver = "gradient",
    weights: np.ndarray | None = None,
    max_iter: int = 1_000,
) -> tuple[np.ndarray, np.ndarray]:
    """The W and b that minimise Σ_n v_n (W x_n + b - y_n)² + penalty ‖W‖², for each target.

    With x and y less their weighted means b is free of the penalty, and
    W = (XᵀVX + penalty I)⁻¹ XᵀV y, in closed form by Cholesky's decomposition of the matrix of
    features or, where there are fewer rows, of rows. The gradient of the sum is
    2 (XᵀV (X w - y) + penalty w); conjugate gradients (Hestenes & Stiefel 1952) take steps along it
    and never form that matrix.

    Args:
        features: float[N, F].
        targets: float[N, K].
        penalty: above 0.
        solver: `gradient` or `closed_form`.
        weights: float[N] v, not negative; None: rows count alike.
        max_iter: steps of `gradient` at most, for each target.

    Returns:
        float64[K, F] W and float64[K] b. A warning says so if the steps did not suffice.

    Raises:
        ValueError: a closed form of too many rows and features.
    """
    v = np.ones(len(targets)) if weights is None else weights
    mean = np.asarray(features.T @ v) / v.sum()  # [F]
    centre = v @ targets / v.sum()  # [K]
    residuals = targets - centre
    if solver == "closed_form":
        coefficients = _closed_form(features, mean, residuals, penalty, v)
    else:
        columns = residuals.T
        steps = [_by_gradient(features, mean, y, penalty, v, max_iter) for y in columns]
        coefficients = np.stack(steps)
    return coefficients, centre - coefficients @ mean


def _closed_form(
    features: sp.csr_matrix, mean: np.ndarray, targets: np.ndarray, penalty: float, v: np.ndarray
) -> np.ndarray:
    size = min(features.shape)
    if size > LARGEST:
        raise ValueError(
            f"model.solver is 'closed_form', which solves {size:,} equations for as many unknowns, "
            f"and at most {LARGEST:,} fit into memory; set --model.solver gradient, or lower "
            "--model.max_features"
        )
    root = np.sqrt(v)[:, None]
    X = features.multiply(root).tocsr()  # rows by the roots of their weights; not yet centred
    y = root * targets
    if X.shape[1] <= X.shape[0]:
        matrix = (X.T @ X).toarray() - v.sum() * np.outer(mean, mean)
        right = X.T @ y - np.outer(mean, root.T @ y)
        return _solved(matrix, penalty, right).T
    cross = X @ mean  # [N]
    ones = root[:, 0]
    matrix = (X @ X.T).toarray() - np.outer(cross, ones) - np.outer(ones, cross)
    matrix += mean @ mean * np.outer(ones, ones)
    dual = _solved(matrix, penalty, y)  # [N, K]
    return (X.T @ dual - np.outer(mean, ones @ dual)).T


def _solved(matrix: np.ndarray, penalty: float, right: np.ndarray) -> np.ndarray:
    matrix[np.diag_indices_from(matrix)] += penalty
    solution: np.ndarray = scipy.linalg.solve(
        matrix, right, assume_a="pos", overwrite_a=True, check_finite=False
    )
    return solution


def _by_gradient(
    features: sp.csr_matrix,
    mean: np.ndarray,
    targets: np.ndarray,
    penalty: float,
    v: np.ndarray,
    max_iter: int,
) -> np.ndarray:
    transposed = features.T.tocsr()

    def back(residuals: np.ndarray) -> np.ndarray:
        """XᵀV r; as the weighted sum of r is 0, the mean of X adds nothing."""
        product: np.ndarray = transposed @ (v * residuals)
        return product

    def times(w: np.ndarray) -> np.ndarray:
        w = w.ravel()
        return back(features @ w - mean @ w) + penalty * w

    size = features.shape[1]
    operator = LinearOperator((size, size), matvec=times, dtype=np.float64)
    w, steps = cg(operator, back(targets), rtol=_TOLERANCE, atol=0.0, maxiter=max_iter)
    if steps:
        warnings.warn(f"conjugate gradients took {steps:,} steps", ConvergenceWarning, stacklevel=2)
    solution: np.ndarray = w
    return solution
