"""Human edits as rationales: the words that had to change for a review to change its label."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import numpy as np

_WORD = re.compile(r"<br\s*/?>|\w+(?:['’]\w+)*|[^\w\s]")


def edited_characters(original: str, revised: str) -> np.ndarray:
    """bool[len(original)], true where a word was replaced or left out in the revised text.

    Words and marks are compared regardless of case, by `difflib`. Words that the revision adds have
    no place in the original.
    """
    before, after = (list(_WORD.finditer(text)) for text in (original, revised))
    words = [[match[0].lower() for match in found] for found in (before, after)]
    edited = np.zeros(len(original), dtype=bool)
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    for kind, start, end, _, _ in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            for match in before[start:end]:
                edited[match.start() : match.end()] = True
    return edited


def edited_tokens(edited: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """bool[T], true for tokens with an edited character, from their places int64[T, 2]."""
    sums = np.concatenate([[0], np.cumsum(edited)])
    found: np.ndarray = sums[spans[:, 1].clip(min=0)] > sums[spans[:, 0].clip(min=0)]
    return found


def average_precision(wanted: np.ndarray, values: np.ndarray) -> float:
    """Area under the precision-recall curve of values that should rank wanted tokens first.

    Σ over ranks of precision times the gain of recall; equal values share a rank, as in
    scikit-learn's `average_precision_score`.

    Args:
        wanted: bool[N], at least one true.
        values: float64[N].
    """
    order = np.argsort(-values, kind="stable")
    wanted, values = wanted[order], values[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # of each rank
    hits = np.cumsum(wanted)[last]
    precision = hits / (last + 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])
