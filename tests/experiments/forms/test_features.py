"""Occurrences of n-grams: the counts are the model's, and the places those of the tokens."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from experiments.forms.estimators import _counter
from experiments.forms.features import occurrences
from lit_models.base.ngrams import NgramCounter


@pytest.mark.parametrize("base", [50, 2**20])  # of the second, keys of 4-grams are hashes
@pytest.mark.parametrize("last_words", [0, 6])
def test_occurrences_are_those_that_the_model_counts(base: int, last_words: int) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 8, size) for size in (40, 3, 25, 30)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    tokens = Ragged(np.concatenate(rows).astype(np.int32), offsets)
    counter = NgramCounter(4, 1, base, last_words)
    assert counter.hashed == (base > 50)
    counts = counter.fit(tokens).toarray()
    settings, arrays = _counter(counter)
    for row, expected in zip(rows, counts, strict=True):
        items, starts, stops = occurrences(row, settings, arrays)
        np.testing.assert_array_equal(np.bincount(items, minlength=counts.shape[1]), expected)
        of_item: dict[int, set[tuple[int, ...]]] = {}
        for item, start, stop in zip(items, starts, stops, strict=True):
            assert 0 <= start < stop <= len(row)
            of_item.setdefault(item, set()).add(tuple(row[start:stop]))
        assert all(len(ngrams) == 1 for ngrams in of_item.values())
