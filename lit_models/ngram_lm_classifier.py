"""NgramLMClassifier: an n-gram language model of each class, and Bayes' rule."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier

from datamodules.store.ragged import Ragged, rows_of
from datamodules.store.train_view import TrainView
from lit_models.base.estimator import LitEstimator
from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols
from lit_models.language.smoothing import Smoothing, check_settings


class NgramLMClassifier(LitEstimator):
    """Mesnil et al. 2015, "Ensemble of Generative and Discriminative Techniques for Sentiment
    Analysis of Movie Reviews": one n-gram language model a class.

    p(c | w_1 … w_T) ∝ p(c) · Π_t p(w_t | w_{t-n+1} … w_{t-1}, c), with the end of the text as the
    last symbol. The language model of a class is learnt from its train texts, smoothed as Chen &
    Goodman 1998 modify Kneser & Ney 1995 (`lit_models.language.backoff`). Words are predicted as if
    each were new evidence, so probabilities are much too close to 0 and 1. Its parameters are the
    probabilities and weights of all n-grams of the train texts.

    Args:
        order: n, length of the longest n-gram.
        smoothing: how n-grams that were not seen get a probability; `maximum_likelihood` gives them
            none, and is refused.
        delta: δ of `add_delta`.
        **kwargs: of `LitClassifier`; balanced class weights make the p(c) equal.

    Raises:
        ValueError: an order below 1, a δ that is not above 0, or no smoothing.
    """

    family: ClassVar[str] = "n-grams"
    deterministic = True

    def __init__(
        self,
        *,
        order: int = 3,
        smoothing: Smoothing = "modified_kneser_ney",
        delta: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_settings(order, delta)
        if smoothing == "maximum_likelihood":
            raise ValueError(
                "model.smoothing is 'maximum_likelihood', under which a text with an n-gram that "
                "no class has is impossible in all of them; choose another, such as "
                "modified_kneser_ney"
            )
        self.order, self.smoothing, self.delta = order, smoothing, delta
        self.language_models: list[Backoff] = []

    def make_estimator(self) -> BaseEstimator:
        """The shares of the classes."""
        return DummyClassifier(strategy="prior")

    def learn_features(self, view: TrainView) -> np.ndarray:
        """float64[N, 0]: the shares follow from the labels alone."""
        symbols = Symbols(len(view.vocabulary), view.pad_id)
        self.language_models = []
        for label in range(view.num_classes):
            rows = np.flatnonzero(view.labels == label)
            # A class without texts has no share, so that its language model decides nothing.
            texts = rows_of(view.tokens, rows) if len(rows) else view.tokens
            self.language_models.append(
                Backoff.fit(texts, self.order, symbols, self.smoothing, self.delta)
            )
        return np.zeros((len(view.labels), 0))

    def features(self, tokens: Ragged) -> np.ndarray:
        """float64[N, C] ln p(text | c).

        Raises:
            DataError: a token that the language models do not know.
        """
        self.language_models[0].symbols.check(tokens)
        return np.stack([model.score_texts(tokens) for model in self.language_models], axis=1)

    def evidence(self, row: np.ndarray) -> np.ndarray:
        """float64[C, T + 2] ln p of each token and of the end under each class, and ln p(c)."""
        text = Ragged(row.astype(np.int32), np.array([0, len(row)]))
        scores = np.stack([models.score(text).values for models in self.language_models])
        return np.column_stack([scores, np.log(self.shares)])

    @property
    def shares(self) -> np.ndarray:
        """float64[C] p(c), at least 1e-12: a class without texts is next to impossible."""
        found = np.full(self.num_classes, 1e-12)
        found[self.estimator.classes_] = self.estimator.class_prior_
        return found

    def predict_proba(self, tokens: Ragged) -> np.ndarray:
        joint = self.features(tokens) + np.log(self.shares)
        probabilities: np.ndarray = np.exp(log_softmax(joint, axis=1))
        return probabilities

    @property
    def parameter_count(self) -> int:
        """Number of probabilities and weights of the language models, and the classes' shares."""
        return sum(model.size for model in self.language_models) + self.num_classes

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"{label}.{name}": array
            for label, model in enumerate(self.language_models)
            for name, array in model.arrays().items()
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        of_class: list[dict[str, np.ndarray]] = [{} for _ in range(self.num_classes)]
        for name, array in arrays.items():
            label, _, rest = name.partition(".")
            if not label.isdecimal() or int(label) >= self.num_classes:
                raise ValueError(f"{name} belongs to none of {self.num_classes} classes")
            of_class[int(label)][rest] = array
        self.language_models = list(map(Backoff.from_arrays, of_class))
        if len({model.symbols for model in self.language_models}) > 1:
            raise ValueError("the language models of the classes have different vocabularies")
