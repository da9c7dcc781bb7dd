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
Occurrences = tuple[np.ndarray, np.ndarray, np.ndarray]  # items, their first and past-last tokens


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
            own = arrays_of(arrays, number)
            found = [np.unique(occurrences(row, block, own)[0], return_counts=True) for row in rows]
            items, counts = zip(*found, strict=True)
            result[f"items_{number}"] = _padded(items)
            result[f"counts_{number}"] = _padded(counts, np.float32)
        return result

    return feed


INPUTS: dict[str, Callable[[Settings, Feed], Callable[[Rows], Feed]]] = {
    "sentences": _sentences,
    "bags": _bags,
}


# Blocks of features: functions from a row of tokens to the occurrences of its items


def arrays_of(arrays: Feed, block: int) -> Feed:
    """Arrays of one block of features."""
    return {k.partition(".")[2]: a for k, a in arrays.items() if k.startswith(f"{block}.")}


def occurrences(row: np.ndarray, block: Settings, arrays: Feed) -> Occurrences:
    """int64[N] items in a row of tokens, the first token of each and the one after its last."""
    return _BLOCKS[block["kind"]](row, block, arrays)


def _keys(row: np.ndarray, orders: int, base: int, modulus: int | None = None) -> list[np.ndarray]:
    """Σ (t_i + 1) · base^(n-i) of each n-gram (t_1 … t_n), for each order n."""
    digits = row + 1
    keys = [digits]
    for order in range(2, orders + 1):
        longer = keys[-1][:-1] * base + digits[order - 1 :]
        keys.append(longer if modulus is None else longer % modulus)
    return keys


def _placed(keys: list[np.ndarray], first: int = 0) -> Occurrences:
    """Keys of all orders with their places, in a row whose token `first` is the first of them."""
    starts = np.concatenate([first + np.arange(len(key)) for key in keys])
    orders = np.repeat(np.arange(1, len(keys) + 1), [len(key) for key in keys])
    return np.concatenate(keys), starts, starts + orders


def _ngrams(row: np.ndarray, block: Settings, arrays: Feed) -> Occurrences:
    """Known n-grams; those of the last words apart, too. Hashed keys are cut to some bits."""
    mask = block.get("mask", -1)
    keys, starts, stops = _placed(_keys(row, block["orders"], block["base"]))
    keys = keys & mask
    if block["last_words"]:
        first = max(len(row) - block["last_words"], 0)
        ends = _placed(_keys(row[first:], block["orders"], block["base"]), first)
        ends = ((ends[0] & mask) + _OF_END, *ends[1:])
        both = zip((keys, starts, stops), ends, strict=True)
        keys, starts, stops = map(np.concatenate, both)
    order = np.argsort(keys)  # ordered searches stay in the processor's cache
    keys, starts, stops = keys[order], starts[order], stops[order]
    places = np.searchsorted(arrays["keys"], keys)
    known = arrays["keys"][places.clip(max=len(arrays["keys"]) - 1)] == keys
    return places[known], starts[known], stops[known]


def _hashes(row: np.ndarray, block: Settings, arrays: Feed) -> Occurrences:
    """Words, and n-grams that share `buckets` numbers after those of the words."""
    keys = _keys(row, block["orders"], block["base"], block["modulus"])
    return _placed([row, *(block["vocab_size"] + key % block["buckets"] for key in keys[1:])])


def _joined(row: np.ndarray, block: Settings, arrays: Feed) -> Occurrences:
    """N-grams of the words that a row of characters makes, numbered by their hashes."""
    kinds = arrays["kinds"][row]
    goes_on = np.zeros(len(kinds), dtype=bool)
    goes_on[1:] = (kinds[1:] == _LETTER) & (kinds[:-1] == _LETTER)
    starts = np.flatnonzero((kinds != _SPACE) & ~goes_on)
    visible = np.flatnonzero(kinds != _SPACE)
    if not len(visible):
        none = np.zeros(0, dtype=np.int64)
        return none, none, none
    ends = np.searchsorted(visible, starts)
    lengths = np.diff(ends, append=len(visible))
    places = np.arange(len(visible)) - np.repeat(ends, lengths)
    powers = np.full(lengths.max(), _HASH_STEP, dtype=np.uint64).cumprod()
    hashes = np.add.reduceat((row[visible].astype(np.uint64) + np.uint64(1)) * powers[places], ends)
    known = arrays["hashes"]
    numbers = np.searchsorted(known, hashes)
    found = known[numbers.clip(max=len(known) - 1)] == hashes
    items, first, past = _ngrams(np.where(found, numbers, len(known)), block, arrays)
    return items, starts[first], starts[past - 1] + lengths[past - 1]


_BLOCKS: dict[str, Callable[[np.ndarray, Settings, Feed], Occurrences]] = {
    "ngrams": _ngrams,
    "hashes": _hashes,
    "words of characters": _joined,
}
