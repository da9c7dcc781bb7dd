"""LinearRegression: least squares over TF-IDF weights, on classes or on stars."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from sklearn.linear_model import LogisticRegression

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import Unit
from lit_models.base.estimator import Features
from lit_models.classics.least_squares import Solver, ridge
from lit_models.tfidf_logreg import TfidfLogReg

Target = Literal["classes", "stars"]
SLOPE = 2.0
"""Log-odds of a value of 1: p is then (y + 1) / 2 near y = 0, as least squares has it."""
_MIDDLE, _HALF = 5.5, 4.5  # of 1 to 10 stars


class LinearRegression(TfidfLogReg):
    """Ridge regression (Hoerl & Kennard 1970) over the TF-IDF weights of `TfidfLogReg`.

    y(d) = W w(d) + b;  W, b minimise Σ_d (y(d) - t(d))² + ‖W‖² / C,
    with t = ±1 for the class and the others or, on stars, t = (stars - 5.5) / 4.5 in -1 … 1.
    Two classes have one y, and ln(p_1 / p_0) = 2 y; more have one each, and p = softmax(2 y). The
    value that the regression predicts is so in the probability, and a row has its mean absolute
    error: of y, or of 5.5 + 4.5 y stars. The probabilities have not been fitted as such: a
    regression is less sure than it is right.

    Args:
        target: `classes`, or `stars` where the corpus has them for its two classes; elsewhere the
            classes, which the run notes.
        solver: `gradient`, or `closed_form` for at most 20,000 n-grams or texts
            (`lit_models.classics.least_squares`).
        C: inverse strength of the penalty; larger fits closer.
        max_iter: steps of `gradient` at most.
        **kwargs: of `TfidfLogReg`.

    Raises:
        ValueError: a setting outside its range.
    """

    def __init__(
        self,
        *,
        target: Target = "classes",
        solver: Solver = "gradient",
        C: float = 1.0,
        max_iter: int = 1_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(C=C, max_iter=max_iter, **kwargs)
        for name, value, choices in (
            ("target", target, get_args(Target)),
            ("solver", solver, get_args(Solver)),
        ):
            if value not in choices:
                raise ValueError(f"model.{name} is {value!r}; choose one of {choices}")
        if not C > 0:
            raise ValueError(f"model.C is {C}; it must be above 0")
        if max_iter < 1:
            raise ValueError(f"model.max_iter is {max_iter}; it must be at least 1")
        self.target, self.solver = target, solver
        self.stars: np.ndarray | None = None

    @property
    def unit(self) -> Unit | None:
        if self.num_classes != 2:
            return None
        return "sign" if self.target == "classes" else "stars"

    def learn_features(self, view: TrainView) -> Features:
        self.stars = view.stars
        if self.target == "stars" and (view.stars is None or self.num_classes != 2):
            self.notes += ("the corpus has no stars, so that it was fitted on the classes",)
            self.stars = None
        return super().learn_features(view)

    def fit_estimator(
        self, features: Features, labels: np.ndarray, weights: np.ndarray | None
    ) -> LogisticRegression:
        """The regression as log-odds, which scikit-learn's class holds as its own."""
        classes = np.unique(labels)
        targets = np.where(labels[:, None] == classes, 1.0, -1.0)  # [N, K]
        if len(classes) == 2:
            targets = targets[:, 1:]
            if self.target == "stars" and self.stars is not None:
                targets = (self.stars[:, None] - _MIDDLE) / _HALF
        W, b = ridge(features, targets, 1 / self.C, self.solver, weights, self.max_iter)
        line = self.make_estimator()
        line.classes_, line.coef_, line.intercept_ = classes, SLOPE * W, SLOPE * b
        line.n_features_in_ = features.shape[1]
        return line
