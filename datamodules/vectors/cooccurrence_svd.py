"""CooccurrenceSVD: word vectors from the mutual information of words and their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Text, Vectors, frequent_words
from datamodules.vectors.cooccurrence import cooccurrences
from datamodules.vectors.gensim_base import check_sizes


class CooccurrenceSVD(Vectors):
    """Truncated SVD of the positive pointwise mutual information of words and their neighbours.

    The matrix of Church & Hanks 1990, with the smoothing and the weighting that Levy, Goldberg &
    Dagan 2015 found to matter. With M ≈ U Σ Vᵀ, the vectors are the rows of U Σ^p. The same text,
    settings and seed give the same vectors on one machine.

    Args:
        dim: d, width of a vector.
        window: largest distance of a pair; a pair at distance n adds 1/n to its count.
        min_count: words with fewer occurrences get no vector.
        smoothing: α of P_α(c) = C(c)^α / Σ C^α, the probability of a neighbour; below 1 it takes
            from rare neighbours some of their high information.
        power: p, weight of the singular values: 0 gives every dimension the same weight, 1 makes
            inner products those of the rows of M.
        text: see Vectors.

    Raises:
        ValueError: a size below 1, a smoothing or power outside [0, 1], or an unknown `text`.
    """

    def __init__(
        self,
        dim: int = 128,
        window: int = 5,
        min_count: int = 5,
        smoothing: float = 0.75,
        power: float = 0.5,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        check_sizes(dim=dim, window=window, min_count=min_count)
        for name, value in {"smoothing": smoothing, "power": power}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it must be from 0 to 1")
        self.dim, self.window, self.min_count = dim, window, min_count
        self.smoothing, self.power = smoothing, power

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors.

        Raises:
            DataError: no word occurs `min_count` times, fewer than `dim` words do, or no two of
                them are near each other more often than by chance.
        """
        from sklearn.utils.extmath import randomized_svd  # takes a second to import

        tokens, frequent = frequent_words(texts, self.min_count)
        if len(tokens) < self.dim:
            raise DataError(
                f"dim is {self.dim}, and {len(tokens):,} words occur {self.min_count} times, which "
                f"have at most {len(tokens):,} singular vectors; lower dim or min_count"
            )
        counts = cooccurrences(frequent, len(tokens), self.window)
        information = positive_information(counts, self.smoothing)
        if not information.nnz:
            raise DataError(
                f"no two of the {len(tokens):,} words of the {len(texts):,} texts are within "
                f"{self.window} words of each other more often than by chance; give more texts, or "
                "set --data.vectors null"
            )
        left, singular, _ = randomized_svd(information, self.dim, random_state=seed)
        return tokens, np.ascontiguousarray(left * singular**self.power, dtype=np.float32)


def positive_information(counts: sp.csr_matrix, smoothing: float) -> sp.csr_matrix:
    """Positive pointwise mutual information of words and their neighbours.

    M_wc = max(0, ln P(w, c) / (P(w) P_α(c))). Pairs that never co-occur have 0, so that the
    matrix is as sparse as the counts.

    Args:
        counts: float32[V, V], C(w, c).
        smoothing: α.

    Returns:
        float32[V, V] without stored zeros.
    """
    pairs = counts.tocoo()
    of_words = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()  # C(w)
    of_neighbours = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() ** smoothing
    # P(w, c) / P(w) = C(w, c) / C(w)
    ratio = pairs.data / of_words[pairs.row] * (of_neighbours.sum() / of_neighbours[pairs.col])
    information = np.log(ratio).astype(np.float32)
    positive = information > 0
    places = pairs.row[positive], pairs.col[positive]
    return sp.csr_matrix((information[positive], places), shape=counts.shape)
