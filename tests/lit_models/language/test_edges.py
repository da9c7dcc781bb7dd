"""N-gram language models of few, short and empty texts, and of any padding."""

from __future__ import annotations

import numpy as np
import pytest

from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols
from lit_models.language.smoothing import Smoothing
from tests.lit_models.language.test_backoff import SMOOTHINGS, START, SYMBOLS, ragged

SHORT = [[1], [2], [1, 2]] * 5
LATE = [*([[1]] * 9), [1, 2, 3, 4, 1, 2, 3]]  # the tenth, which is held out, is the longest


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("rows", [SHORT, LATE, [[]] * 3, [[1]]], ids=str)
def test_an_order_beyond_every_text_is_that_of_the_longest(
    smoothing: Smoothing, rows: list[list[int]]
) -> None:
    most = max(map(len, rows)) + 2
    model, other = (Backoff.fit(ragged(rows), n, SYMBOLS, smoothing) for n in (12, most))
    new = ragged([[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5], [], [1, 2]])
    assert np.array_equal(model.score(new).values, other.score(new).values)
    assert model.longest == most
    for context in ([], [START], [1] * 20):
        assert model.distribution(context).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("count", [300, 350, 700])
def test_interpolation_does_not_depend_on_a_power_of_two(count: int) -> None:
    # With 350 texts there are 1,050 tokens and ends, of which 945 are not held out.
    model = Backoff.fit(ragged([[1, 2]] * count), 1, Symbols(40), "jelinek_mercer")
    assert model.distribution([])[1] == pytest.approx(1 / 3, abs=1e-4)


def test_padding_may_be_any_token() -> None:
    rows = [[0, 1, 0], [1, 3], [0]] * 6
    swapped = [[2 if t == 0 else t for t in row] for row in rows]
    for smoothing in SMOOTHINGS:
        one = Backoff.fit(ragged(rows), 3, Symbols(4, pad_id=2), smoothing).score(ragged(rows))
        other = Backoff.fit(ragged(swapped), 3, Symbols(4), smoothing).score(ragged(swapped))
        assert one.values == pytest.approx(other.values)
