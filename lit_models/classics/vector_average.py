"""VectorAverage: a text as the mean of the vectors of its words."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.word_vectors import WordVectorEstimator

Weighting = Literal["mean", "tfidf"]
Counting = Literal["all", "sublinear", "distinct"]


class VectorAverage(WordVectorEstimator):
    """Mean or weighted mean of a text's word vectors, as features for any estimator.

    x(t) = Σ_w a(w, t) v(w) / Σ_w a(w, t) over the words of the text that have a vector v(w). For
    `mean` a is tf, the count of w in t; for `tfidf` it is tf · (ln((1 + N) / (1 + df(w))) + 1),
    where df(w) of the N train texts contain w. A text without such a word is the zero vector.

    Shapes: counts [N, W] · vectors [W, d] -> [N, d].

    Args:
        weighting: weights of words, `mean` or `tfidf`.
        counting: `all` uses tf as it is, `sublinear` 1 + ln(tf), `distinct` 1 instead.
        **kwargs: arguments of `LitClassifier`.

    Raises:
        ValueError: an unknown `weighting` or `counting`.
    """

    vectors: np.ndarray
    weights: np.ndarray

    def __init__(
        self,
        *,
        weighting: Weighting = "mean",
        counting: Counting = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (
            ("weighting", weighting, get_args(Weighting)),
            ("counting", counting, get_args(Counting)),
        ):
            if value not in choices:
                raise ValueError(f"model.{name} is {value!r}; choose one of {', '.join(choices)}")
        self.weighting, self.counting = weighting, counting

    def learn_features(self, view: TrainView) -> np.ndarray:
        self.vectors = self.learn_words(view)
        counts = self.count_words(view.tokens)
        self.weights = np.ones(len(self.vectors))
        if self.weighting == "tfidf":
            self.weights = TfidfTransformer().fit(counts).idf_
        return self._average(counts)

    def features(self, tokens: Ragged) -> np.ndarray:
        return self._average(self.count_words(tokens))

    def _average(self, counts: sp.csr_matrix) -> np.ndarray:
        """float64[N, d] from counts [N, W]."""
        if self.counting == "distinct":
            counts.data[:] = 1
        elif self.counting == "sublinear":
            counts.data = 1 + np.log(counts.data)
        used = np.unique(counts.indices)
        weighted = counts[:, used] @ sp.diags(self.weights[used])
        total = np.asarray(weighted.sum(axis=1))  # [N, 1]
        # SciPy multiplies a sparse matrix row by row, so no row depends on the others.
        summed: np.ndarray = weighted @ self.vectors[used].astype(np.float64)
        return summed / np.where(total == 0, 1, total)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"words": self.words, "vectors": self.vectors, "weights": self.weights}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.set_words(arrays["words"])
        self.vectors, self.weights = arrays["vectors"], arrays["weights"]

    @property
    def parameter_count(self) -> int:
        """Number of fitted values, word vectors included."""
        return super().parameter_count + self.vectors.size
