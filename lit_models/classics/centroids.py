"""Centroids: a text as counts of its words in each cluster of word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.word_vectors import WordVectorEstimator


class Centroids(WordVectorEstimator):
    """Bag of centroids: k-means over the word vectors, and counts of a text's words by cluster.

    The W words that have a vector are partitioned into k clusters by Lloyd's algorithm (1982).
    Feature j of a text is the number of its words in cluster j, so that words of similar meaning
    count as one. The run's seed determines them, with any number of threads. As in the tutorial to
    Kaggle's "Bag of Words Meets Bags of Popcorn".

    Shapes: counts [N, W] · membership [W, k] -> [N, k].

    Args:
        words_per_cluster: W / k, the mean size of a cluster.
        normalize: scale vectors to length 1 first, so that distance depends on the angle alone.
        kmeans_iterations: largest number of iterations.
        **kwargs: arguments of `LitClassifier`.

    Raises:
        ValueError: `words_per_cluster` or `kmeans_iterations` below 1.
    """

    clusters: np.ndarray
    """int64[W] cluster of each word."""

    def __init__(
        self,
        *,
        words_per_cluster: int = 5,
        normalize: bool = False,
        kmeans_iterations: int = 50,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sizes = {"words_per_cluster": words_per_cluster, "kmeans_iterations": kmeans_iterations}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.words_per_cluster, self.normalize = words_per_cluster, normalize
        self.kmeans_iterations = kmeans_iterations

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        vectors = self.learn_words(view)
        if self.normalize:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        k = max(len(vectors) // self.words_per_cluster, 1)
        # NumPy's global generator draws the first centroids; the run seeds it.
        kmeans = KMeans(k, init="random", n_init=1, max_iter=self.kmeans_iterations)
        with threadpool_limits(1):  # threads add distances up in another order: other clusters
            self.clusters = kmeans.fit_predict(vectors).astype(np.int64)
        return self.features(view.tokens)

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        counts = self.count_words(tokens)
        ones = (np.ones(len(self.clusters)), (np.arange(len(self.clusters)), self.clusters))
        shape = len(self.clusters), int(self.clusters.max()) + 1
        return (counts @ sp.csr_matrix(ones, shape=shape)).tocsr()

    def word_lists(self, vocabulary: Sequence[str]) -> list[list[str]]:
        """Words of each cluster, frequent ones first."""
        lists: list[list[str]] = [[] for _ in range(int(self.clusters.max()) + 1)]
        for word, cluster in zip(self.words.tolist(), self.clusters.tolist(), strict=True):
            lists[cluster].append(vocabulary[word])
        return lists

    def arrays(self) -> dict[str, np.ndarray]:
        return {"words": self.words, "clusters": self.clusters}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.set_words(arrays["words"])
        self.clusters = arrays["clusters"]
