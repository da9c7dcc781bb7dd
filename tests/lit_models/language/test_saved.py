"""Arrays of saved language models: the same model again, and nothing else accepted."""

from __future__ import annotations

import numpy as np
import pytest

from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols
from tests.lit_models.language.test_backoff import SYMBOLS, TOKENS, ragged, zipfian


def test_a_model_is_its_arrays() -> None:
    model = Backoff.fit(ragged(zipfian(40, seed=10)), 3, Symbols(TOKENS, pad_id=0), "katz")
    again = Backoff.from_arrays(model.arrays())
    new = ragged(zipfian(10, seed=11))
    assert np.array_equal(again.score(new).values, model.score(new).values)
    assert (again.longest, again.symbols, again.flat) == (3, model.symbols, False)
    assert again.size == model.size > 100


CHANGES = [
    ({"sizes": None}, "sizes is not an array of 4 integers"),
    ({"sizes": np.array([9, 0, 10**12, 0])}, "8 arrays are not those of order 1000000000000"),
    ({"sizes": np.array([9, 9, 3, 0])}, r"sizes is \[9, 9, 3, 0\]"),
    ({"keys.1": None, "keys.2": np.zeros(1, int)}, "keys.1 is missing"),
    ({"keys.0": np.array([-1])}, "keys.0 is of contexts that do not exist"),
    ({"keys.0": np.array([10**15])}, "keys.0 is of contexts that do not exist"),
    ({"keys.0": np.array([3, 3])}, "keys.0 is not sorted"),
    ({"keys.0": np.zeros(0, int)}, "keys.0 is empty"),
    ({"keys.0": np.zeros(1)}, r"keys.0 is float64 \[1\]"),
    ({"log_probabilities.0": np.zeros(3)}, r"log_probabilities.0 is float64 \[3\]"),
    ({"log_probabilities.0": np.full(11, np.nan)}, "log_probabilities.0 is not logarithms"),
    ({"log_weights.0": np.full(11, np.inf)}, "log_weights.0 is not finite"),
    ({"log_weights.1": np.zeros((3, 3))}, r"log_weights.1 is float64 \[3, 3\]"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_arrays_of_no_model_are_refused(change: dict[str, np.ndarray | None], message: str) -> None:
    arrays = Backoff.fit(ragged(zipfian(40, seed=12)), 3, SYMBOLS).arrays() | change
    with pytest.raises(ValueError, match=message):
        Backoff.from_arrays({name: a for name, a in arrays.items() if a is not None})
