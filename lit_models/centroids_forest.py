"""CentroidsForest: counts of word clusters into a random forest."""

from __future__ import annotations

from typing import Any

from lit_models.classics.centroids import Centroids
from lit_models.classics.forest import ForestEstimator


class CentroidsForest(ForestEstimator, Centroids):
    """Bag of centroids over word vectors (Mikolov et al. 2013) into a random forest (Breiman 2001).

    Third model of the tutorial to Kaggle's "Bag of Words Meets Bags of Popcorn".

    Args:
        **kwargs: of `ForestEstimator`, `Centroids` and `LitClassifier`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
