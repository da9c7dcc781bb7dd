"""Forests: what a kept one may hold, and its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.errors import DataError
from lit_models.vector_average_forest import VectorAverageForest
from tests.batches import make_view, random_rows


def fitted() -> VectorAverageForest:
    np.random.seed(0)
    vectors = np.random.normal(size=(30, 4)).astype(np.float32)
    rows = random_rows([6] * 40, 30)
    model = VectorAverageForest(n_estimators=3)
    model.prepare(make_view(rows, [number % 2 for number in range(40)], 30, vectors))
    return model


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
def test_a_changed_tree_is_refused(field: str, tmp_path: Path) -> None:
    model = fitted()
    tree = model.estimator.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = 1_000_000
    tree.__setstate__(state)
    model.save(tmp_path)
    with pytest.raises(DataError, match="tree 1 points outside its"):
        VectorAverageForest.load(tmp_path)


def test_its_size_counts_nodes_and_vectors() -> None:
    model = fitted()
    trees = [tree.tree_ for tree in model.estimator.estimators_]
    inner = sum(int((tree.children_left >= 0).sum()) for tree in trees)
    leaves = sum(int((tree.children_left < 0).sum()) for tree in trees)
    assert type(model.parameter_count) is int, "as a result row wants it"
    assert inner > 3 and model.parameter_count == 2 * inner + 2 * leaves + 28 * 4


@pytest.mark.parametrize("name", ["n_estimators", "min_samples_leaf"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"model.{name} is 0; it must be at least 1"):
        VectorAverageForest(**{name: 0})  # type: ignore[arg-type]
