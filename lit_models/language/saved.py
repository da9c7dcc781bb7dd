"""Arrays of a saved language model, checked before anything is looked up in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_ROUNDING = 1e-5  # float32 ln p may be a little above 0


def sizes_of(arrays: Mapping[str, np.ndarray]) -> tuple[int, int, int, bool]:
    """Number of tokens, padding, order, and whether the order below is uniform.

    Args:
        arrays: what `Backoff.arrays` gave.

    Raises:
        ValueError: an array is missing, or does not fit the others.
    """
    sizes = arrays.get("sizes")
    if sizes is None or sizes.dtype.kind != "i" or sizes.shape != (4,):
        raise ValueError("sizes is not an array of 4 integers: not a language model")
    tokens, pad_id, longest, flat = map(int, sizes)
    if not (0 <= pad_id < tokens and longest >= 1 and flat in (0, 1)):
        raise ValueError(f"sizes is {sizes.tolist()}: not those of a language model")
    if len(arrays) != 3 * longest - 1:  # before the names of an absurd order are made
        raise ValueError(f"{len(arrays)} arrays are not those of order {longest}")
    count = below = tokens + 2
    for at in range(longest):
        if at:
            keys = _array(arrays, f"keys.{at - 1}", "i")
            _check(f"keys.{at - 1}", bool((np.diff(keys) > 0).all()), "not sorted")
            inside = bool(keys[0] >= 0 and keys[-1] // count < below)
            _check(f"keys.{at - 1}", inside, "of contexts that do not exist")
            below = len(keys)
        probabilities = _array(arrays, f"log_probabilities.{at}", "f", below)
        possible = bool((probabilities <= _ROUNDING).all())
        _check(f"log_probabilities.{at}", possible, "not logarithms of probabilities")
        if at < longest - 1:
            weights = _array(arrays, f"log_weights.{at}", "f", below)
            _check(f"log_weights.{at}", bool((weights < np.inf).all()), "not finite")
    return tokens, pad_id, longest, bool(flat)


def _array(
    arrays: Mapping[str, np.ndarray], name: str, kind: str, size: int | None = None
) -> np.ndarray:
    array = arrays.get(name)
    _check(name, array is not None, "missing")
    assert array is not None
    fits = array.ndim == 1 and array.dtype.kind == kind and len(array) == (size or len(array))
    _check(name, fits, f"{array.dtype} {list(array.shape)}, which does not fit the other arrays")
    _check(name, len(array) > 0, "empty")
    return array


def _check(name: str, right: bool, otherwise: str) -> None:
    if not right:
        raise ValueError(f"{name} is {otherwise}")
