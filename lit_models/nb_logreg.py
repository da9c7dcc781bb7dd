"""NBLogReg: log-count ratios of the n-grams in a text, into a logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import log_expit, softmax
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from datamodules.store.label_sets import members
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import Features, fit_weighted
from lit_models.base.ngrams import class_documents, log_count_ratios
from lit_models.classics.ngram_estimator import NgramEstimator

_NEVER = -30.0  # bias of a class without a training text
_VALUES = 2**24  # values of a matrix that are set at once


class NBLogReg(NgramEstimator):
    """Wang & Manning 2012, "Baselines and Bigrams", with a logistic regression for the SVM.

    r_ic = ln((p_ic / ‖p_c‖₁) / (q_ic / ‖q_c‖₁)), with p_ic = α + train texts of class c that have
    n-gram i and q_ic = α + those of the other classes; x_ic(d) = r_ic where text d has n-gram i,
    else 0, rows scaled to length 1; p(c | d) ∝ σ(w_c · x_c(d) + b_c), with squared penalty
    ‖w_c‖² / 2C. For two classes r of class 1 against class 0 suffices, the other is its negative;
    with more, each class has ratios, weights and a fit of its own against the rest (as the paper),
    so that the cost grows with the number of classes and not with its square.

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

    def fit_estimator(
        self, features: Features, labels: np.ndarray, weights: np.ndarray | None
    ) -> BaseEstimator:
        """Fit two classes at once, more of them, and several labels, one against the rest."""
        if len(self.ratios) == 1:
            return super().fit_estimator(features, labels, weights)
        one_class = self.make_estimator()
        shape = (len(self.ratios), features.shape[1])
        coefficients, biases = np.zeros(shape), np.full(shape[0], _NEVER)
        for label in range(shape[0]):
            of_class = members(labels, label)
            if not of_class.any():
                continue
            if of_class.all():
                biases[label] = -_NEVER
                continue
            fit_weighted(one_class, self._of_class(features, label), of_class, weights)
            coefficients[label], biases[label] = one_class.coef_[0], one_class.intercept_[0]
        one_class.coef_, one_class.intercept_ = coefficients, biases
        one_class.classes_ = np.arange(shape[0])
        return one_class

    def predict_proba(self, tokens: Ragged) -> np.ndarray:
        shape = len(self.ratios), len(self.counter.keys)
        weights = self.estimator.coef_
        if weights.shape != shape or shape[0] == 1:
            return super().predict_proba(tokens)
        present = self.counter.count(tokens)
        used = np.unique(present.indices)
        present = present[:, used]
        present.data[:] = 1
        ratios = self.ratios[:, used]
        # SciPy multiplies a sparse matrix row by row, so no row depends on the others.
        scores = present @ (ratios * weights[:, used]).T  # [N, C]
        if self.normalized:
            lengths = np.sqrt(present @ np.square(ratios).T)
            scores /= np.where(lengths == 0, 1, lengths)
        alone = log_expit(scores + self.estimator.intercept_)
        probabilities: np.ndarray = np.exp(alone) if self.multi_label else softmax(alone, axis=1)
        return probabilities

    @classmethod
    def takes_several_labels(cls) -> bool:
        return True

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        counts = self._learn_ratios(view)
        return self._weighted(counts) if len(self.ratios) == 1 else counts

    def _learn_ratios(self, view: TrainView) -> sp.csr_matrix:
        """Learn n-grams and ratios, and return float64[N, F] counts of the train rows."""
        counts = super().learn_features(view)
        documents = class_documents(counts, view.labels, view.num_classes)
        texts = class_documents(counts, np.zeros(counts.shape[0], dtype=np.int64), 1)[0]
        ratios = log_count_ratios(documents, self.smoothing, texts)
        self.ratios = ratios[1:] if len(ratios) == 2 and not self.multi_label else ratios
        return counts

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, F], or [N, C F] in a model of several classes of an earlier version."""
        return self._weighted(super().features(tokens))

    def _weighted(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """Features of all classes from float64[N, F] counts, which those of two classes replace."""
        if len(self.ratios) == 1:
            return self._of_class(counts, 0, out=counts.data)
        blocks = [self._of_class(counts, c, normalized=False) for c in range(len(self.ratios))]
        weighted = sp.hstack(blocks, format="csr")
        return normalize(weighted, copy=False) if self.normalized else weighted

    def _of_class(
        self,
        counts: sp.csr_matrix,
        label: int,
        normalized: bool | None = None,
        out: np.ndarray | None = None,
    ) -> sp.csr_matrix:
        """float64[N, F] ratios for a class of the n-grams of each row, each once.

        Args:
            counts: float64[N, F].
            label: the class.
            normalized: scale rows to length 1; None: as `normalized` of the model.
            out: gets the values of the matrix; None: a new array does.
        """
        weights = np.empty_like(counts.data) if out is None else out
        for start in range(0, len(weights), _VALUES):  # NumPy makes int64 copies of indices
            some = slice(start, start + _VALUES)
            weights[some] = self.ratios[label][counts.indices[some]]
        weighted = sp.csr_matrix((weights, counts.indices, counts.indptr), counts.shape)
        # A row without any known n-gram stays zero.
        scaled = self.normalized if normalized is None else normalized
        return normalize(weighted, copy=False) if scaled else weighted

    def arrays(self) -> dict[str, np.ndarray]:
        return super().arrays() | {"ratios": self.ratios}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        super().load_arrays(arrays)
        self.ratios = arrays["ratios"]
