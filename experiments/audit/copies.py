"""Copies of texts: exact, up to markup and punctuation, and similar ones.

Similar texts have many runs of three words in common: at least half of all that the two have
(Jaccard similarity). Candidates are found by sketches, Broder 1997, "On the resemblance and
containment of documents": of each text the smallest hashes of its runs of words. Two similar texts
share several of them. The similarity of each candidate is then computed from all runs of words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.splits import text_key
from datamodules.store.ragged import Ragged

WORDS = 3
"""Words in a run."""
LEAST = 0.5
"""Least Jaccard similarity of similar texts."""
_SKETCH = 32  # hashes of a text
_SHARED = 3  # of which a candidate shares so many; at similarity 0.5 it is 16 on average
_CROWD = 50  # a run of words in more texts than that links each with the next one alone
_NONE = np.iinfo(np.uint64).max


class Copy(NamedTuple):
    """Text that is also elsewhere.

    Attributes:
        row: Number of the row.
        other: Number of an earlier row that has the text, the first of its split.
        kind: `exact`; `words`, equal up to markup, case, spaces and punctuation; or `similar`.
        similarity: Jaccard similarity of runs of words; 1 for copies.
        conflict: Of a copy the first earlier row of that split with the text, up to markup, and
            another label; None: there is none.
    """

    row: int
    other: int
    kind: str
    similarity: float
    conflict: int | None = None


def find_copies(
    texts: Sequence[str], split: NDArray[np.int64], labels: NDArray[np.int64], words: Ragged
) -> list[Copy]:
    """Find all copies and similar texts, within and across splits.

    A row has at most one copy in each split: the first row there, before it, that has its text. A
    similar text is looked for where there is no copy; it is the most similar earlier row of a
    split.

    Args:
        texts: N texts.
        split: int64[N], number of the split of each row, ascending.
        labels: int64[N], label of each row; -1: none.
        words: Words of the N texts (`numbered_words`).

    Returns:
        The copies, in the order of their rows.
    """
    keys = [text_key(text) for text in texts]
    exact = {(row, place): other for row, place, other, _ in _equal(texts, split, labels)}
    found, copied = list[Copy](), set[tuple[int, int]]()
    for row, place, other, conflict in _equal(keys, split, labels):
        copied.add((row, place))
        kind = "exact" if (row, place) in exact else "words"
        found.append(Copy(row, exact.get((row, place), other), kind, 1.0, conflict))
    rows_of: dict[bytes, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    distinct = np.array([rows[0] for rows in rows_of.values()], dtype=np.int64)
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for one, other, similarity in similar_pairs(words, distinct):
        ones, others = rows_of[keys[one]], rows_of[keys[other]]
        for rows, of_other in ((ones, others), (others, ones)):
            firsts = {int(split[first]): first for first in reversed(of_other)}
            for row in rows:
                for place, before in firsts.items():
                    if before < row and (row, place) not in copied:
                        known = best.get((row, place), (0.0, 0))
                        best[row, place] = max(known, (similarity, -before))
    found += [Copy(row, -one, "similar", s) for (row, _), (s, one) in best.items()]
    return sorted(found, key=lambda one: one[:3])


def similar_pairs(
    words: Ragged, rows: NDArray[np.int64], least: float = LEAST
) -> list[tuple[int, int, float]]:
    """Pairs of rows with a Jaccard similarity of at least `least`.

    Args:
        words: Words of all texts.
        rows: int64[M], ascending, the rows to compare.
        least: Least similarity.

    Returns:
        The earlier row, the later one and their similarity. Texts of fewer than five words have too
        few runs to be similar to anything.
    """
    hashes = _hashes_of_words(int(words.values.max(initial=0)) + 1)
    sketches = np.full((len(rows), _SKETCH), _NONE, dtype=np.uint64)
    for place, row in enumerate(rows):
        smallest = _runs(words, row, hashes)[:_SKETCH]
        sketches[place, : len(smallest)] = smallest
    pairs = []
    for one, other in _candidates(sketches):
        first, second = _runs(words, rows[one], hashes), _runs(words, rows[other], hashes)
        both = len(np.intersect1d(first, second, assume_unique=True))
        similarity = both / (len(first) + len(second) - both)
        if similarity >= least:
            pairs.append((int(rows[one]), int(rows[other]), similarity))
    return pairs


def _equal(
    keys: Sequence[str | bytes], split: NDArray[np.int64], labels: NDArray[np.int64]
) -> Iterator[tuple[int, int, int, int | None]]:
    """Rows with the key of an earlier one.

    Yields:
        The row, a split, the first earlier row there, and the first with another label.
    """
    first: dict[str | bytes, dict[int, dict[int, int]]] = {}  # row by key, split and label
    for row, key in enumerate(keys):
        known, label = first.setdefault(key, {}), int(labels[row])
        for place, rows in known.items():
            others = [rows[one] for one in rows if one != label and min(one, label) >= 0]
            yield row, place, min(rows.values()), min(others, default=None)
        known.setdefault(int(split[row]), {}).setdefault(label, row)


def _hashes_of_words(count: int) -> NDArray[np.uint64]:
    """uint64[count], a pseudo-random number for each word (SplitMix64)."""
    return _mixed(np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _runs(words: Ragged, row: int, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Distinct hashes of the runs of words of a text, ascending."""
    of_words = hashes[words.values[words.offsets[row] : words.offsets[row + 1]]]
    count = max(len(of_words) - WORDS + 1, 0)
    total = np.zeros(count, dtype=np.uint64)
    for place in range(WORDS):
        total = total * np.uint64(0x9E3779B97F4A7C15) + of_words[place : place + count]
    return np.unique(_mixed(total))


def _candidates(sketches: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Pairs of rows, ascending, that share enough hashes."""
    rows, size = sketches.shape
    known = sketches.ravel() != _NONE
    values, owners = sketches.ravel()[known], np.repeat(np.arange(rows), size)[known]
    order = np.argsort(values, kind="stable")  # so that owners ascend within a value
    values, owners = values[order], owners[order]
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    lengths = np.diff(starts, append=len(values))
    keys = [np.zeros(0, dtype=np.int64)]
    for length in np.unique(lengths[lengths > 1]).tolist():
        members = owners[starts[lengths == length][:, None] + np.arange(length)]
        if length <= _CROWD:
            one, other = np.triu_indices(length, 1)
        else:
            one, other = np.arange(length - 1), np.arange(1, length)
        keys.append((members[:, one] * rows + members[:, other]).ravel())
    pairs, shared = np.unique(np.concatenate(keys), return_counts=True)
    chosen = pairs[shared >= _SHARED]
    return list(zip((chosen // rows).tolist(), (chosen % rows).tolist(), strict=True))
