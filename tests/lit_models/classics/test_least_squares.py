"""Ridge in closed form and by gradients, against each other, scikit-learn and the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from lit_models.classics import least_squares
from lit_models.classics.least_squares import ridge


def problem(rows: int, columns: int) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """Sparse features, two targets, and weights of rows."""
    rng = np.random.default_rng(0)
    X = sp.random(rows, columns, density=0.3, random_state=0, format="csr")
    return X, rng.normal(size=(rows, 2)) + 3, rng.uniform(0.5, 2, rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_the_closed_form_is_the_solution_by_gradients_and_that_of_scikit_learn(
    shape: tuple[int, int], penalty: float, weighted: bool
) -> None:
    X, y, v = problem(*shape)
    weights = v if weighted else None
    W, b = ridge(X, y, penalty, "closed_form", weights)
    by_steps = ridge(X, y, penalty, "gradient", weights)
    assert np.allclose(W, by_steps[0], atol=1e-7) and np.allclose(b, by_steps[1], atol=1e-7)
    theirs = Ridge(alpha=penalty, solver="cholesky").fit(X.toarray(), y, weights)
    assert np.allclose(W, theirs.coef_, atol=1e-9) and np.allclose(b, theirs.intercept_, atol=1e-9)
    # The gradient of the sum of squares, as written, is zero there.
    residuals = (v[:, None] if weighted else 1) * (X @ W.T + b - y)
    assert np.abs(X.T @ residuals + penalty * W.T).max() < 1e-9
    assert np.abs(residuals.sum(axis=0)).max() < 1e-9


def test_too_few_steps_are_a_warning() -> None:
    X, y, _ = problem(60, 20)
    with pytest.warns(ConvergenceWarning, match="conjugate gradients took 2 steps"):
        ridge(X, y[:, :1], 0.1, max_iter=2)


def test_a_closed_form_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "LARGEST", 19)
    X, y, _ = problem(60, 20)
    with pytest.raises(ValueError, match=r"solves 20 equations .* at most 19 fit .* gradient"):
        ridge(X, y, 1.0, "closed_form")
    ridge(X, y, 1.0, "gradient")
