"""Agreement of two sets of word vectors: the share of nearest words that they have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS


def judged_words(counts: np.ndarray, vocabulary: Sequence[str], size: int) -> np.ndarray:
    """The most frequent words made of letters alone, without scikit-learn's English stop words.

    Args:
        counts: int64[V], count of each token.
        vocabulary: tokens by id, the first two of them special.
        size: number of words.

    Returns:
        int64[≤ size] token ids, by falling count.
    """
    order = 2 + np.argsort(-counts[2:], kind="stable")
    words = [
        t for t in order if vocabulary[t].isalpha() and vocabulary[t] not in ENGLISH_STOP_WORDS
    ]
    return np.array(words[:size], dtype=np.int64)


def nearest(tokens: np.ndarray, values: np.ndarray, words: np.ndarray, size: int) -> np.ndarray:
    """Words of the highest cosine with each of some words.

    Args:
        tokens: int64[N] token ids.
        values: float32[N, d], their vectors.
        words: int64[M] token ids among them.
        size: K, number of neighbours.

    Returns:
        int64[M, K] token ids, the nearest first.
    """
    order = np.argsort(tokens)
    tokens, values = tokens[order], values[order]
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    places = np.searchsorted(tokens, words)
    cosines = unit[places] @ unit.T
    cosines[np.arange(len(words)), places] = -np.inf
    found: np.ndarray = tokens[np.argsort(-cosines, axis=1, kind="stable")[:, :size]]
    return found


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Mean share of the K neighbours in common; int64[M, K] each, no row with a word twice."""
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())
