"""Clusters of words, and counts of them, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from lit_models.centroids_logreg import CentroidsLogReg
from tests.batches import make_view
from tests.lit_models.classics.test_vector_average import ragged

# Two heaps of words, 2 4 6 and 3 7, far apart; 5 has no vector, 0 and 1 are no words.
VECTORS = np.array(
    [[5, 5], [5, 5], [9, 0], [0, 8], [9.1, 0], [0, 0], [9, 0.1], [0, 8.1]], dtype=np.float32
)
ROWS = [[2, 4, 3, 5], [6, 6, 6], [7, 1]]
LABELS = [0, 1, 0]


def fitted(**options: object) -> CentroidsLogReg:
    np.random.seed(0)
    model = CentroidsLogReg(**({"words_per_cluster": 2} | options))  # type: ignore[arg-type]
    model.prepare(make_view(ROWS, LABELS, len(VECTORS), VECTORS))
    return model


@pytest.mark.parametrize("normalize", [False, True])
def test_near_words_count_as_one(normalize: bool) -> None:
    model = fitted(normalize=normalize)
    near, far = model.clusters[0], model.clusters[1]
    assert model.clusters.tolist() == [near, far, near, near, far]
    counts = model.features(ragged([*ROWS, [5, 1]])).toarray()
    assert counts[:, near].tolist() == [2, 3, 0, 0]
    assert counts[:, far].tolist() == [1, 0, 1, 0]
    assert counts.shape == (4, 2)


def test_clusters_are_shown_as_words() -> None:
    lists = fitted().word_lists([f"w{token}" for token in range(8)])
    assert sorted(lists) == [["w2", "w4", "w6"], ["w3", "w7"]]


def test_threads_change_no_cluster() -> None:
    # Many distances are equal, so that the rounding of a sum decides.
    vectors = (np.random.default_rng(0).integers(1, 4, (3_002, 5)) * 0.1).astype(np.float32)
    view = make_view([list(range(2, 3_002)), [2, 3]], [0, 1], 3_002, vectors)

    def clusters(threads: int) -> list[int]:
        np.random.seed(0)
        model = CentroidsLogReg(words_per_cluster=30)
        with threadpool_limits(threads):
            model.learn_features(view)
        return model.clusters.tolist()

    assert clusters(1) == clusters(2)


@pytest.mark.parametrize(("size", "clusters"), [(1, 5), (2, 2), (5, 1), (9, 1)])
def test_there_are_as_many_clusters_as_words_allow(size: int, clusters: int) -> None:
    assert len(set(fitted(words_per_cluster=size).clusters.tolist())) == clusters


@pytest.mark.parametrize("name", ["words_per_cluster", "kmeans_iterations"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"model.{name} is 0; it must be at least 1"):
        CentroidsLogReg(**{name: 0})  # type: ignore[arg-type]
