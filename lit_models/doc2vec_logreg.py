"""Doc2VecLogReg: paragraph vectors into a logistic regression."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from datamodules.store.ragged import Ragged, concat_ragged, drop_token
from datamodules.store.train_view import TrainView
from datamodules.vectors.base import Text
from lit_models.base.estimator import LitEstimator
from lit_models.base.paragraph_vectors import ParagraphVectors

Architecture = Literal["dbow", "dm", "dbow+dm"]


class Doc2VecLogReg(LitEstimator):
    """Paragraph vectors (Le & Mikolov 2014) into a logistic regression.

    PV-DBOW, PV-DM or both side by side; each dimension is scaled to mean 0 and variance 1 over the
    train texts; p(c | t) = softmax(W z(t) + b)_c, with squared penalty ‖W‖² / 2C. Texts of
    validation and test are never learnt from: their vectors are inferred, word vectors held fixed.

    Args:
        architecture: which vectors.
        dim: width of each.
        window: largest distance of the words around, in PV-DM.
        negative: words drawn by chance for each that stands there.
        min_count: rarer words are left out.
        sample: words more frequent than this share are left out at random, the more often the more
            frequent they are; 0 keeps all.
        epochs: passes over the texts, and over a new one.
        workers: threads of learning; more than one is faster, and never twice the same.
        text: learn from the train texts, or also from those without labels where there are any.
        infer_train: the regression learns from vectors inferred anew for the train texts, as they
            are for others, instead of those learnt with the words.
        inverse_penalty: C; larger fits closer.
        max_iterations: of L-BFGS.
        **kwargs: of `LitClassifier`.

    Raises:
        ValueError: a size below 1, or an unknown word.
    """

    def __init__(
        self,
        *,
        architecture: Architecture = "dbow",
        dim: int = 100,
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        sample: float = 1e-4,
        epochs: int = 20,
        workers: int = 1,
        text: Text = "train",
        infer_train: bool = False,
        inverse_penalty: float = 1.0,
        max_iterations: int = 500,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, word, words in (
            ("architecture", architecture, get_args(Architecture)),
            ("text", text, get_args(Text)),
        ):
            if word not in words:
                raise ValueError(f"model.{name} is {word!r}; choose of {words}")
        sizes = {"dim": dim, "window": window, "negative": negative, "min_count": min_count}
        for name, value in (sizes | {"epochs": epochs, "workers": workers}).items():
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.text, self.infer_train = text, infer_train
        self.inverse_penalty, self.max_iterations = inverse_penalty, max_iterations
        # The seed is the run's, which has set NumPy's own generator.
        seed = int(np.random.randint(2**31))
        parts = (dim, window, negative, min_count, sample, epochs, workers, seed)
        self.parts = {
            name: ParagraphVectors(name, *parts)  # type: ignore[arg-type]
            for name in architecture.split("+")
        }

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(
            StandardScaler(),
            LogisticRegression(C=self.inverse_penalty, max_iter=self.max_iterations),
        )

    def learn_features(self, view: TrainView) -> np.ndarray:
        texts, rows = view.tokens, len(view.tokens)
        if self.text == "train+unlabelled" and view.unlabelled is not None:
            texts = concat_ragged(texts, view.unlabelled)
            self.notes = ("paragraph vectors learnt from train and unlabelled texts",)
        # Words outside the vocabulary are left out, as gensim leaves out rare ones.
        texts = drop_token(texts, view.unk_id)
        found = [part.fit(texts)[:rows] for part in self.parts.values()]
        if self.infer_train:
            return self.features(view.tokens)
        return np.concatenate(found, axis=1).astype(np.float64)

    def features(self, tokens: Ragged) -> np.ndarray:
        found = [part.infer(tokens) for part in self.parts.values()]
        return np.concatenate(found, axis=1).astype(np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"{name}.{key}": array
            for name, part in self.parts.items()
            for key, array in part.arrays().items()
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        for name, part in self.parts.items():
            own = {k.partition(".")[2]: a for k, a in arrays.items() if k.startswith(f"{name}.")}
            part.load_arrays(own)

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: the regression's, and those that inference needs."""
        layers = sum(
            part.gensim.wv.vectors.size + part.gensim.syn1neg.size for part in self.parts.values()
        )
        return super().parameter_count + layers
