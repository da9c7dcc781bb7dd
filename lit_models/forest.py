"""ForestEstimator: what the random forests over n-grams share."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from sklearn.ensemble import RandomForestClassifier

from datamodules.batching import TrainView
from lit_models.ngram_estimator import NgramEstimator


class ForestEstimator(NgramEstimator):
    """Breiman 2001, "Random Forests": the mean of many trees.

    Each tree is grown on rows drawn with replacement; each of its forks is the best of the square
    root of F features, drawn anew. The run's seed draws, the same with any number of threads.

    Args:
        trees: number of trees.
        max_ngrams: F, most n-grams, the most frequent of the train side.
        min_leaf: fewest rows of a leaf; more make smoother probabilities.
        **kwargs: of `NgramEstimator`.

    Raises:
        ValueError: a size below 1.
    """

    trusted_types: ClassVar[list[str]] = ["sklearn.tree._tree.Tree"]

    def __init__(
        self, *, trees: int, max_ngrams: int | None = 5000, min_leaf: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(max_ngrams=max_ngrams, **kwargs)
        for name, value in (("trees", trees), ("min_leaf", min_leaf)):
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.trees, self.min_leaf = trees, min_leaf

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
        steps = getattr(self.estimator, "steps", [("", self.estimator)])
        steps[-1][1].set_params(n_jobs=None)
