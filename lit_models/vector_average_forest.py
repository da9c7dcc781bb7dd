"""VectorAverageForest: the mean of a text's word vectors into a random forest."""

from __future__ import annotations

from typing import Any

from lit_models.classics.forest import ForestEstimator
from lit_models.classics.vector_average import VectorAverage


class VectorAverageForest(ForestEstimator, VectorAverage):
    """Mean of word vectors (Mikolov et al. 2013) into a random forest (Breiman 2001).

    Second model of the tutorial to Kaggle's "Bag of Words Meets Bags of Popcorn".

    Args:
        **kwargs: of `ForestEstimator`, `VectorAverage` and `LitClassifier`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
