"""Inputs of a model that reads sentences or bags of n-grams; `runner.py` calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

_OF_END = -(2**63)  # added to the keys of n-grams of the last words
_HASH_STEP = 6_364_136_223_846_793_005
_SPACE, _LETTER = 0, 1  # kinds of characters; others are words of their own

Rows = list[np.ndarray]
Feed = dict[str, np.ndarray]
Settings = dict[str, Any]
Counted = tuple[np.ndarray, np.ndarray]  # items and their counts


def _padded(rows: Iterable[np.ndarray], dtype: type = np.int64) -> np.ndarray:
    """[B, T] rows, T ≥ 1, with zeros past their ends."""
    rows = list(rows)
    matrix: np.ndarray = np.zeros((len(rows), max([1, *map(len, rows)])), dtype=dtype)
    for line, row in zip(matrix, rows, strict=True):
        line[: len(row)] = row
    return matrix


def _sentences(settings: Settings, arrays: Feed) -> Callable[[Rows], Feed]:
    """Sentences of all rows, their lengths, and the places of a row's sentences among them."""
    ends, longest = arrays["sentence_ends"], settings["longest"]

    def starts(row: np.ndarray) -> np.ndarray:
        is_end = np.isin(row, ends)
        column = np.arange(len(row))
        first = np.append(False, is_end[:-1]) & ~is_end  # first word after an end token
        of_sentence = np.maximum.accumulate(np.where(first, column, 0))
        found: np.ndarray = np.flatnonzero((column - of_sentence) % longest == 0)
        return found

    def feed(rows: Rows) -> Feed:
        parts = [np.split(row, starts(row)[1:]) for row in rows]
        counts = np.array([len(part) for part in parts])
        sentences = [sentence for part in parts for sentence in part]
        firsts = np.cumsum(counts) - counts
        return {
            "tokens": _padded(sentences),
            "lengths": np.array([len(sentence) for sentence in sentences]),
            "places": _padded(
                first + np.arange(n) for first, n in zip(firsts, counts, strict=True)
            ),
            "counts": counts,
        }

    return feed


def _bags(settings: Settings, arrays: Feed) -> Callable[[Rows], Feed]:
    """Distinct items of each row with their counts, for each block of features."""

    def feed(rows: Rows) -> Feed:
        result: Feed = {}
        for number, block in enumerate(settings["blocks"]):
            own = {k.partition(".")[2]: a for k, a in arrays.items() if k.startswith(f"{number}.")}
            found = [_BLOCKS[block["kind"]](row, block, own) for row in rows]
            items, counts = zip(*found, strict=True)
            result[f"items_{number}"] = _padded(items)
            result[f"counts_{number}"] = _padded(counts, np.float32)
        return result

    return feed


INPUTS: dict[str, Callable[[Settings, Feed], Callable[[Rows], Feed]]] = {
    "sentences": _sentences,
    "bags": _bags,
}


# Blocks of features: functions from a row of tokens to its distinct items and their counts


def _keys(row: np.ndarray, orders: int, base: int, modulus: int | None = None) -> list[np.ndarray]:
    """Σ (t_i + 1) · base^(n-i) of each n-gram (t_1 … t_n), for each order n."""
    digits = row + 1
    keys = [digits]
    for order in range(2, orders + 1):
        longer = keys[-1][:-1] * base + digits[order - 1 :]
        keys.append(longer if modulus is None else longer % modulus)
    return keys


def _ngrams(row: np.ndarray, block: Settings, arrays: Feed) -> Counted:
    """Known n-grams; those of the last words apart, too."""
    keys = _keys(row, block["orders"], block["base"])
    if block["last_words"]:
        ends = _keys(row[-block["last_words"] :], block["orders"], block["base"])
        keys += [key + _OF_END for key in ends]
    values, counts = np.unique(np.concatenate(keys), return_counts=True)
    places = np.searchsorted(arrays["keys"], values)
    known = arrays["keys"][places.clip(max=len(arrays["keys"]) - 1)] == values
    return places[known], counts[known]


def _hashes(row: np.ndarray, block: Settings, arrays: Feed) -> Counted:
    """Words, and n-grams that share `buckets` numbers after those of the words."""
    keys = _keys(row, block["orders"], block["base"], block["modulus"])
    numbers = [row, *(block["vocab_size"] + key % block["buckets"] for key in keys[1:])]
    values, counts = np.unique(np.concatenate(numbers), return_counts=True)
    return values, counts


def _joined(row: np.ndarray, block: Settings, arrays: Feed) -> Counted:
    """N-grams of the words that a row of characters makes, numbered by their hashes."""
    kinds = arrays["kinds"][row]
    goes_on = np.zeros(len(kinds), dtype=bool)
    goes_on[1:] = (kinds[1:] == _LETTER) & (kinds[:-1] == _LETTER)
    starts = np.flatnonzero((kinds != _SPACE) & ~goes_on)
    visible = np.flatnonzero(kinds != _SPACE)
    if not len(visible):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ends = np.searchsorted(visible, starts)
    lengths = np.diff(ends, append=len(visible))
    places = np.arange(len(visible)) - np.repeat(ends, lengths)
    powers = np.full(lengths.max(), _HASH_STEP, dtype=np.uint64).cumprod()
    hashes = np.add.reduceat((row[visible].astype(np.uint64) + np.uint64(1)) * powers[places], ends)
    known = arrays["hashes"]
    numbers = np.searchsorted(known, hashes)
    found = known[numbers.clip(max=len(known) - 1)] == hashes
    return _ngrams(np.where(found, numbers, len(known)), block, arrays)


_BLOCKS: dict[str, Callable[[np.ndarray, Settings, Feed], Counted]] = {
    "ngrams": _ngrams,
    "hashes": _hashes,
    "words of characters": _joined,
}
