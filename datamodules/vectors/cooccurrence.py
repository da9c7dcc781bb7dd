"""Co-occurrence counts of words, in sparse matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged

_BLOCK = 500_000  # words counted at once: bounds the memory of their pairs


def cooccurrences(texts: Ragged, words: int, window: int, block: int = _BLOCK) -> sp.csr_matrix:
    """X of Pennington et al. 2014: X_ij = Σ 1/distance over all i and j at most `window` apart.

    No pair spans two texts.

    Args:
        texts: rows of word ids below `words`.
        words: V, size of the vocabulary.
        window: largest distance.
        block: words counted at once.

    Returns:
        float32[V, V], symmetric.
    """
    values = texts.values
    row = np.repeat(np.arange(len(texts)), texts.lengths)  # of each word
    total = sp.csr_matrix((words, words), dtype=np.float32)
    for start in range(0, len(values), block):
        firsts, seconds, weights = [], [], []
        for distance in range(1, window + 1):
            first = np.arange(start, min(start + block, len(values) - distance))
            first = first[row[first] == row[first + distance]]
            firsts.append(values[first])
            seconds.append(values[first + distance])
            weights.append(np.full(len(first), 1 / distance, dtype=np.float32))
        pairs = np.concatenate(firsts), np.concatenate(seconds)
        # The constructor adds the weights of pairs that occur more than once.
        total = total + sp.csr_matrix((np.concatenate(weights), pairs), shape=(words, words))
    return (total + total.T).tocsr()
