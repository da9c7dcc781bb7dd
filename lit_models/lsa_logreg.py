"""LSALogReg: latent semantic analysis into a logistic regression (scikit-learn)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.fitted_values import fitted_values
from lit_models.classics.ngram_estimator import NgramEstimator


class LSALogReg(NgramEstimator):
    """Latent semantic analysis (Deerwester et al. 1990) and logistic regression over it.

    w(t, d) = (1 + ln tf(t, d)) · (ln((1 + N) / (1 + df(t))) + 1), rows scaled to length 1: the
    matrix X [N, F] of the train texts. X ≈ U S Vᵀ with the k largest singular values;
    x(d) = w(d) V;  p(c | d) = softmax(W x(d) + b)_c, with squared penalty ‖W‖² / 2C.

    V has a vector of k dimensions for each n-gram; those that occur in the same texts have similar
    ones. It is learnt without labels. The decomposition is that of Halko et al. 2011: X times
    random vectors, multiplied by X Xᵀ a few times, spans nearly the space of the largest singular
    vectors. Its random vectors are always the same, so that the seed of a run changes nothing.

    Shapes: TF-IDF weights [N, F] · V [F, k] → [N, k] → [N, C].

    Args:
        ngrams: longest n-gram.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams, the most frequent of the train side; None keeps all. V has this
            many rows, and is most of the model's file.
        num_components: k; fewer where the train side has fewer texts or n-grams, which the run
            notes.
        power_iterations: number of multiplications by X Xᵀ.
        C: inverse strength of the penalty; larger fits closer.
        max_iter: iterations of L-BFGS at most.
        **kwargs: of `LitClassifier`.

    Raises:
        ValueError: a setting below its smallest value.
    """

    deterministic = True
    idf: TfidfTransformer
    vectors: np.ndarray

    def __init__(
        self,
        *,
        ngrams: int = 1,
        min_df: int = 5,
        max_features: int | None = 40_000,
        num_components: int = 500,
        power_iterations: int = 5,
        C: float = 100.0,
        max_iter: int = 500,
        **kwargs: Any,
    ) -> None:
        super().__init__(ngrams=ngrams, min_df=min_df, max_features=max_features, **kwargs)
        least = {"num_components": 1, "power_iterations": 0, "max_iter": 1}
        values = {
            "num_components": num_components,
            "power_iterations": power_iterations,
            "max_iter": max_iter,
        }
        for name, value in values.items():
            if value < least[name]:
                raise ValueError(f"model.{name} is {value}; it must be at least {least[name]}")
        if not C > 0:
            raise ValueError(f"model.C is {C}; it must be above 0")
        self.num_components, self.power_iterations = num_components, power_iterations
        self.C, self.max_iter = C, max_iter

    def make_estimator(self) -> BaseEstimator:
        return LogisticRegression(C=self.C, max_iter=self.max_iter)

    def learn_features(self, view: TrainView) -> np.ndarray:
        counts = super().learn_features(view)
        self.idf = TfidfTransformer(sublinear_tf=True).fit(counts)
        weights = self.idf.transform(counts)
        size = min(self.num_components, *weights.shape)
        if size < self.num_components:
            texts, ngrams = weights.shape
            note = (
                f"{size} components, the most of {texts:,} texts with {ngrams:,} n-grams, where "
                f"model.num_components is {self.num_components}"
            )
            self.notes += (note,)
        svd = TruncatedSVD(size, n_iter=self.power_iterations, random_state=0)
        # Half the size of the file; predictions differ by less than 1e-6.
        self.vectors = svd.fit(weights).components_.T.astype(np.float32)
        return self._projected(weights)

    def features(self, tokens: Ragged) -> np.ndarray:
        counts = super().features(tokens)
        sizes = [counts.shape[1], len(self.idf.idf_), len(self.vectors)]
        if len(set(sizes)) > 1:
            raise DataError(
                f"LSALogReg has {sizes[0]:,} n-grams, {sizes[1]:,} weights and {sizes[2]:,} "
                "vectors of them; restore the files of the run, or run it again"
            )
        return self._projected(self.idf.transform(counts))

    def _projected(self, weights: sp.csr_matrix) -> np.ndarray:
        """float64[N, k] from weights [N, F]."""
        used = np.unique(weights.indices)  # a batch has few of them
        # SciPy multiplies a sparse matrix row by row, so no row depends on the others.
        projected: np.ndarray = weights[:, used] @ self.vectors[used].astype(np.float64)
        return projected

    def arrays(self) -> dict[str, np.ndarray]:
        return super().arrays() | {"idf": self.idf.idf_, "vectors": self.vectors}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        super().load_arrays(arrays)
        self.idf, self.vectors = TfidfTransformer(sublinear_tf=True), arrays["vectors"]
        self.idf.idf_ = arrays["idf"]

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: weight and vector of each n-gram, and the regression's."""
        return super().parameter_count + fitted_values(self.idf) + self.vectors.size
