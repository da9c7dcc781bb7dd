"""NBLogReg: log-count ratios of the n-grams in a text, into a logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.ngram_estimator import NgramEstimator
from lit_models.base.ngrams import log_count_ratios


class NBLogReg(NgramEstimator):
    """Wang & Manning 2012, "Baselines and Bigrams", with a logistic regression for the SVM.

    r_ic = ln((p_ic / ‖p_c‖₁) / (q_ic / ‖q_c‖₁)), with p_ic = α + train texts of class c that have
    n-gram i and q_ic = α + those of the other classes; x_ic(d) = r_ic where text d has n-gram i,
    else 0, rows scaled to length 1; p(c | d) = softmax(W x(d) + b)_c, with squared penalty
    ‖W‖² / 2C. For two classes r of class 1 against class 0 suffices, as the other is its negative;
    with more, each class has a block of features, so F = (number of n-grams) × classes.

    The paper does not scale (`normalized=False`): longer texts then have larger features.

    Args:
        ngrams: longest n-gram.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams, the most frequent of the train side; None keeps all.
        smoothing: α.
        normalized: scale each text's features to length 1.
        C: inverse strength of the penalty; larger fits closer.
        max_iter: iterations of L-BFGS at most.
        **kwargs: of `LitClassifier`.
    """

    ratios: np.ndarray

    deterministic = True

    def __init__(
        self,
        *,
        ngrams: int = 3,
        min_df: int = 3,
        max_features: int | None = None,
        smoothing: float = 1.0,
        normalized: bool = True,
        C: float = 30.0,
        max_iter: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(ngrams=ngrams, min_df=min_df, max_features=max_features, **kwargs)
        if smoothing <= 0:
            raise ValueError(f"model.smoothing is {smoothing}; it must be above 0")
        self.smoothing, self.normalized = smoothing, normalized
        self.C, self.max_iter = C, max_iter

    def make_estimator(self) -> BaseEstimator:
        return LogisticRegression(C=self.C, max_iter=self.max_iter)

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        counts = super().learn_features(view)
        shape = (view.num_classes, len(self.counter.keys))
        documents = np.zeros(shape, dtype=np.int64)
        for label in range(view.num_classes):
            columns = counts[view.labels == label].indices
            documents[label] = np.bincount(columns, minlength=shape[1])
        ratios = log_count_ratios(documents, self.smoothing)
        self.ratios = ratios[1:] if len(ratios) == 2 else ratios
        return self._weighted(counts)

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        return self._weighted(super().features(tokens))

    def _weighted(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """float64[N, F] ratios of the n-grams of each row, each once."""
        blocks = []
        for ratios in self.ratios:
            weights = ratios[counts.indices]
            blocks.append(sp.csr_matrix((weights, counts.indices, counts.indptr), counts.shape))
        weighted = blocks[0] if len(blocks) == 1 else sp.hstack(blocks, format="csr")
        # A row without any known n-gram stays zero.
        return normalize(weighted, copy=False) if self.normalized else weighted

    def arrays(self) -> dict[str, np.ndarray]:
        return super().arrays() | {"ratios": self.ratios}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        super().load_arrays(arrays)
        self.ratios = arrays["ratios"]
