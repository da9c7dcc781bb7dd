"""DVNgrams: document vectors trained with cosine similarity, beside naive-Bayes n-grams."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from datamodules.store.ragged import Ragged, concat_ragged
from datamodules.store.train_view import TrainView
from datamodules.vectors.base import Text
from lit_models.base.estimator import Features, LitEstimator
from lit_models.base.ngrams import NgramCounter, class_documents, log_count_ratios
from lit_models.classics.cosine_vectors import CosineVectors
from lit_models.nb_logreg import NBLogReg


class DVNgrams(NBLogReg):
    """Thongtan & Phienthrakul 2019, "Sentiment Classification Using Document Embeddings Trained
    with Cosine Similarity".

    p(c | t) = softmax(W [s θ(t) ; x(t)] + b)_c, with squared penalty ‖W‖² / 2C. θ(t) ∈ ℝᵈ is the
    unit vector of text t, s its weight, and x(t) are the log-count ratios of its n-grams as in
    `NBLogReg`, those of every class one after the other where there are more than two.

    Both parts of a row are those of one text. The paper's 97.42% come from a program that joined
    the vector of a text with the n-grams of another text of the same class, train and test alike
    (Bingyu & Arefyev 2022, "The Document Vectors Using Cosine Similarity Revisited", who get 93.68%
    from rows that fit together). The paper also learns vectors from the test texts. Here these are
    inferred, with the vectors of n-grams fixed; so are those of the train texts that the regression
    is fitted to, as vectors learnt together with their n-grams differ in kind.

    As Bingyu and Arefyev leave n-grams out of training at random, the less their log-count ratio
    says about the class, here n-grams are weighted by it.

    Args:
        dim: d, width of a vector.
        vector_ngrams: longest n-gram that has a vector.
        vector_min_df: n-grams in fewer texts have none.
        vector_max_features: most n-grams with a vector, the most frequent.
        alpha: α, factor of the cosine in the logistic function.
        negative: number of noise n-grams for each n-gram of a text.
        epochs: passes over the texts in learning the vectors.
        step: first step of the vectors of n-grams.
        weighted: weight n-grams with vectors by |r|, at most 1.
        least_ratio: n-grams with a smaller |r| have no vector, if these are weighted.
        text: learn vectors from the train texts alone, or from the unlabelled texts too.
        vector_scale: s.
        C: inverse strength of the penalty; larger fits closer.
        **kwargs: of `NBLogReg` and `LitClassifier`.

    Raises:
        ValueError: a size below 1, a factor that is not above 0, a negative ratio, or an unknown
            text.
    """

    deterministic: ClassVar[bool] = False

    def __init__(
        self,
        *,
        dim: int = 256,
        vector_ngrams: int = 3,
        vector_min_df: int = 5,
        vector_max_features: int = 200_000,
        alpha: float = 6.0,
        negative: int = 5,
        epochs: int = 8,
        step: float = 4.0,
        weighted: bool = True,
        least_ratio: float = 0.0,
        text: Text = "train+unlabelled",
        vector_scale: float = 0.5,
        C: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(C=C, **kwargs)
        if text not in get_args(Text):
            raise ValueError(f"model.text is {text!r}; choose one of {get_args(Text)}")
        sizes = {"dim": dim, "vector_ngrams": vector_ngrams, "vector_min_df": vector_min_df}
        sizes |= {"vector_max_features": vector_max_features, "negative": negative}
        for name, size in (sizes | {"epochs": epochs}).items():
            if size < 1:
                raise ValueError(f"model.{name} is {size}; it must be at least 1")
        if least_ratio < 0:
            raise ValueError(f"model.least_ratio is {least_ratio}; it must be at least 0")
        for name, factor in {"alpha": alpha, "step": step, "vector_scale": vector_scale}.items():
            if factor <= 0:
                raise ValueError(f"model.{name} is {factor}; it must be above 0")
        self.vector_ngrams, self.vector_min_df = vector_ngrams, vector_min_df
        self.vector_max_features, self.vector_scale = vector_max_features, vector_scale
        self.weighted, self.least_ratio, self.text = weighted, least_ratio, text
        # Drawn from NumPy's generator, which the run's seed has set.
        seed = int(np.random.randint(2**31))
        self.vectors = CosineVectors(dim, alpha, negative, epochs, step, seed)

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        vectors = self._learn_vectors(view)
        return self._joined(vectors, self._weighted(self._learn_ratios(view)))

    def _learn_vectors(self, view: TrainView) -> np.ndarray:
        """Learn the vectors of n-grams, and return float32[N, d] those of the train texts."""
        texts = view.tokens
        self.notes = ()
        if self.text == "train+unlabelled" and view.unlabelled is not None:
            texts = concat_ragged(texts, view.unlabelled)
            self.notes = ("document vectors learnt from train and unlabelled texts",)
        base = len(view.vocabulary) + 1
        self.vector_counter = NgramCounter(self.vector_ngrams, self.vector_min_df, base)
        counts = self.vector_counter.fit(texts, self.vector_max_features)
        weights = np.ones(counts.shape[1])
        if self.weighted:
            labelled = counts[: len(view.tokens)]
            documents = class_documents(labelled, view.labels, view.num_classes)
            ratios = np.abs(
                log_count_ratios(
                    documents,
                    self.smoothing,
                    np.bincount(labelled.indices, minlength=labelled.shape[1]),
                )
            ).max(axis=0)
            used = (ratios > 0) & (ratios >= self.least_ratio)
            if not used.any():
                raise ValueError(
                    f"model.least_ratio is {self.least_ratio}, and the largest log-count ratio of "
                    f"the {len(used)} n-grams is {ratios.max():.3g}; lower it"
                )
            self.vector_counter.keys = self.vector_counter.keys[used]
            counts, weights = counts[:, used], np.minimum(ratios[used], 1)
        self.vectors.fit(counts, weights)
        return self.vectors.infer(counts[: len(view.tokens)])

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        """float64[N, d + F], or [N, d + C F] with more than two classes."""
        vectors = self.vectors.infer(self.vector_counter.count(tokens))
        return self._joined(vectors, super().features(tokens))

    def _joined(self, vectors: np.ndarray, ngrams: sp.csr_matrix) -> sp.csr_matrix:
        """Both parts of the same N texts in the same order."""
        scaled = sp.csr_matrix(self.vector_scale * vectors.astype(np.float64))
        return sp.hstack([scaled, ngrams], format="csr")

    def fit_estimator(
        self, features: Features, labels: np.ndarray, weights: np.ndarray | None
    ) -> BaseEstimator:
        """Fit all classes at once: one softmax over the vector and all n-grams."""
        return LitEstimator.fit_estimator(self, features, labels, weights)

    def predict_proba(self, tokens: Ragged) -> np.ndarray:
        return LitEstimator.predict_proba(self, tokens)

    def arrays(self) -> dict[str, np.ndarray]:
        keys = {"vectors.ngram_keys": self.vector_counter.keys}
        vectors = {f"vectors.{name}": array for name, array in self.vectors.arrays().items()}
        return super().arrays() | keys | vectors

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        super().load_arrays(arrays)
        base = self.counter.base
        self.vector_counter = NgramCounter(self.vector_ngrams, self.vector_min_df, base)
        self.vector_counter.keys = arrays["vectors.ngram_keys"]
        self.vectors.load_arrays(
            {name: arrays[f"vectors.{name}"] for name in self.vectors.arrays()}
        )

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: the regression's, and the vectors of n-grams."""
        return super().parameter_count + self.vectors.ngrams.size
