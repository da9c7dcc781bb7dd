"""ForestEstimator: a random forest (scikit-learn) over whatever features a model has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

from datamodules.errors import DataError
from lit_models.estimator import ESTIMATOR_FILE, LitEstimator


class ForestEstimator(LitEstimator):
    """The part of a model that is a random forest (Breiman 2001); its features are another's.

    Each tree learns from rows drawn with replacement, and splits on the best of √F features drawn
    anew at each node; the forest's probability is the mean of the shares in the leaves.

    Args:
        trees: how many vote.
        min_leaf: train texts that a leaf must have.
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
        # Rows and features are drawn by NumPy's own generator, which the run's seed sets.
        return RandomForestClassifier(n_estimators=self.trees, min_samples_leaf=self.min_leaf)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            DataError: a tree points outside itself, which scikit-learn would follow unchecked.
        """
        model = super().load(folder)
        for number, tree in enumerate(model.estimator.estimators_):
            nodes, width = tree.tree_, tree.tree_.n_features
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

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: a feature and a threshold for each inner node, and the leaves'.

        A leaf has one share for each class.
        """
        nodes = sum(int(tree.tree_.node_count) for tree in self.estimator.estimators_)
        leaves = sum(int(tree.tree_.n_leaves) for tree in self.estimator.estimators_)
        return super().parameter_count + 2 * (nodes - leaves) + leaves * self.num_classes
