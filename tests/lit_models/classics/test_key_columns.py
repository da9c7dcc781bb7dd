"""Columns of keys found by a hash: the same as by a search."""

from __future__ import annotations

import numpy as np
import pytest

from lit_models.base.ngrams import OF_END
from lit_models.classics.key_columns import KeyColumns

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("count", [1, 2, 1000, 50_000])
def test_columns_are_those_of_a_search(count: int) -> None:
    drawn = RNG.integers(OF_END, -OF_END - 1, count - 1)
    keys = np.unique(np.concatenate([drawn, [OF_END]]))
    columns = KeyColumns(keys)
    assert columns.find(keys).tolist() == list(range(len(keys)))
    others = np.setdiff1d(RNG.integers(OF_END, -OF_END - 1, 20_000), keys)
    assert (columns.find(others) == -1).all()


def test_keys_of_one_cell_are_told_apart() -> None:
    keys = np.arange(5)
    columns = KeyColumns(keys)
    columns._table[:] = 2  # every key but one has its cell taken
    columns._others = np.array([0, 1, 3, 4])
    assert columns.find(np.array([4, 2, 0, 7, 3, -1, 1])).tolist() == [4, 2, 0, -1, 3, -1, 1]
