"""ForestEstimator: a random forest (scikit-learn) over whatever features a model has."""

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
    """The part of a model that is a random forest (Breiman 2001); its features are another's.

    Each tree is grown on rows drawn with replacement; each of its forks is the best of the square
    root of F features, drawn anew; the forest's probability is the mean of the shares in the
    leaves. The run's seed draws, the same with any number of threads.

    Args:
        trees: number of trees.
        min_leaf: fewest rows of a leaf; more make smoother probabilities.
        **kwargs: of the features, and of `LitClassifier`.

    Raises:
        ValueError: a size below 1.
    """

    trusted_types: ClassVar[list[str]] = ["sklearn.tree._tree.Tree"]  # checked in `load`

    def __init__(self, *, trees: int = 100, min_leaf: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("trees", trees), ("min_leaf", min_leaf)):
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.trees, self.min_leaf = trees, min_leaf

    def make_estimator(self) -> BaseEstimator:
        return self.make_forest()

    def make_forest(self) -> RandomForestClassifier:
        """The unfitted forest."""
        return RandomForestClassifier(
            self.trees,
            min_samples_leaf=self.min_leaf,
            n_jobs=torch.get_num_threads(),
            random_state=self.random_state,
        )

    def prepare(self, view: TrainView) -> None:
        """Grows the forest on all threads; one predicts, since starting more takes longer."""
        super().prepare(view)
        for part in parts(self.estimator):
            if isinstance(part, RandomForestClassifier):
                part.set_params(n_jobs=None)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            DataError: a tree points outside itself, which scikit-learn would follow unchecked.
        """
        model = super().load(folder)
        trees = (part.tree_ for part in parts(model.estimator) if hasattr(part, "tree_"))
        for number, nodes in enumerate(trees):
            width = nodes.n_features
            inner = nodes.children_left != -1
            ends = (nodes.children_left, nodes.children_right)
            inside = all(((e >= -1) & (e < nodes.node_count)).all() for e in ends)
            features = nodes.feature[inner]
            if not inside or not ((features >= 0) & (features < width)).all():
                raise DataError(
                    f"{folder / ESTIMATOR_FILE}: tree {number} points outside its "
                    f"{nodes.node_count} nodes or {width} features: the file was changed; fit the "
                    "run again"
                )
        return model
