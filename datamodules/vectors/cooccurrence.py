"""How often words stand near one another, counted in sparse matrices block by block."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from datamodules.store.ragged import Ragged

_BLOCK = 500_000  # running words at once: bounds the memory that their pairs take


def cooccurrences(texts: Ragged, words: int, window: int, block: int = _BLOCK) -> sp.csr_matrix:
    """X of Pennington et al. 2014: X_ij = Σ 1/distance over all i and j at most `window` apart.

    Distances are those within one text; no pair spans two.

    Args:
        texts: rows of word numbers below `words`.
        words: V.
        window: largest distance.
        block: running words that are counted at once.

    Returns:
        float32[V, V], symmetric.
    """
    values = texts.values
    row_of = np.repeat(np.arange(len(texts)), texts.lengths)
    total = sp.csr_matrix((words, words), dtype=np.float32)
    for start in range(0, len(values), block):
        firsts, seconds, weights = [], [], []
        for distance in range(1, window + 1):
            first = np.arange(start, min(start + block, len(values) - distance))
            first = first[row_of[first] == row_of[first + distance]]
            firsts.append(values[first])
            seconds.append(values[first + distance])
            weights.append(np.full(len(first), 1 / distance, dtype=np.float32))
        pairs = np.concatenate(firsts), np.concatenate(seconds)
        # Of the pairs that stand there more than once the weights are summed.
        total = total + sp.csr_matrix((np.concatenate(weights), pairs), shape=(words, words))
    return (total + total.T).tocsr()
