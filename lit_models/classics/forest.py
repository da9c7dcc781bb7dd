"""ForestEstimator: a random forest (scikit-learn) over any features."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

from datamodules.errors import DataError
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import ESTIMATOR_FILE, LitEstimator
from lit_models.base.fitted_values import parts


class ForestEstimator(LitEstimator):
    """Random forest (Breiman 2001); a second base class computes the features.

    Each tree is grown on rows drawn with replacement; each of its nodes splits by the best of √F
    randomly drawn features; the forest's probability is the mean of the class frequencies in the
    leaves. The run's seed determines the forest, with any number of threads.

    Args:
        n_estimators: number of trees.
        min_samples_leaf: fewest rows of a leaf; more make smoother probabilities.
        **kwargs: arguments of the features and of `LitClassifier`.

    Raises:
        ValueError: a size below 1.
    """

    trusted_types: ClassVar[list[str]] = ["sklearn.tree._tree.Tree"]  # checked in `load`

    def __init__(
        self, *, n_estimators: int = 100, min_samples_leaf: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("n_estimators", n_estimators), ("min_samples_leaf", min_samples_leaf)):
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.n_estimators, self.min_samples_leaf = n_estimators, min_samples_leaf

    def make_estimator(self) -> BaseEstimator:
        return self.make_forest()

    def make_forest(self) -> RandomForestClassifier:
        """Unfitted forest."""
        return RandomForestClassifier(
            self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            n_jobs=torch.get_num_threads(),
            random_state=self.random_state,
        )

    def prepare(self, view: TrainView) -> None:
        """Grow the forest on all threads; predict on one, as starting threads takes longer."""
        super().prepare(view)
        for part in parts(self.estimator):
            if isinstance(part, RandomForestClassifier):
                part.set_params(n_jobs=None)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model.

        Raises:
            DataError: a tree with indices out of range, which scikit-learn does not check.
        """
        model = super().load(folder)
        trees = (part.tree_ for part in parts(model.estimator) if hasattr(part, "tree_"))
        for number, nodes in enumerate(trees):
            inner = nodes.children_left != -1
            children = (nodes.children_left, nodes.children_right)
            valid = all(((c >= -1) & (c < nodes.node_count)).all() for c in children)
            features = nodes.feature[inner]
            if not valid or not ((features >= 0) & (features < nodes.n_features)).all():
                raise DataError(
                    f"{folder / ESTIMATOR_FILE}: tree {number} points outside its "
                    f"{nodes.node_count} nodes or {nodes.n_features} features, so the file was "
                    "changed; fit the run again"
                )
        return model
