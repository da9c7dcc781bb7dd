"""Doc2VecLogReg: paragraph vectors into a logistic regression."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from datamodules.store.ragged import Ragged, concat_ragged, drop_token
from datamodules.store.train_view import TrainView
from datamodules.vectors.base import Text
from datamodules.vectors.gensim_base import not_repeatable
from lit_models.base.estimator import LitEstimator
from lit_models.classics.paragraph_vectors import ParagraphVectors

Architecture = Literal["dbow", "dm", "dbow+dm"]


class Doc2VecLogReg(LitEstimator):
    """Paragraph vectors (Le & Mikolov 2014) into a logistic regression.

    PV-DBOW, PV-DM or both concatenated; each dimension is scaled to mean 0 and variance 1 over the
    train texts; p(c | t) = softmax(W z(t) + b)_c, with squared penalty ‖W‖² / 2C. Vectors of
    validation and test texts are inferred with the word vectors fixed.

    Args:
        architecture: kind of vectors.
        dim: width of each.
        window: largest distance of a context word, in PV-DM.
        negative: negative samples for each word.
        min_count: rarer words are left out.
        sample: threshold share above which frequent words are randomly downsampled; 0 for none.
        epochs: passes over the texts, also when a vector is inferred.
        workers: threads; with more than one, learning is faster and never gives the same twice,
            which the rows of the results say.
        text: learn from the train texts alone, or from the unlabelled texts too.
        infer_train: fit the regression to inferred vectors of the train texts, as other texts have
            them, in place of those learnt with the word vectors.
        C: inverse strength of the penalty; larger fits closer.
        max_iter: iterations of L-BFGS at most.
        **kwargs: of `LitClassifier`.

    Raises:
        ValueError: a size below 1, or an unknown architecture or text.
    """

    family: ClassVar[str] = "word vectors"

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
        C: float = 1.0,
        max_iter: int = 500,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, choice, choices in (
            ("architecture", architecture, get_args(Architecture)),
            ("text", text, get_args(Text)),
        ):
            if choice not in choices:
                raise ValueError(f"model.{name} is {choice!r}; choose one of {choices}")
        sizes = {"dim": dim, "window": window, "negative": negative, "min_count": min_count}
        for name, value in (sizes | {"epochs": epochs, "workers": workers}).items():
            if value < 1:
                raise ValueError(f"model.{name} is {value}; it must be at least 1")
        self.text, self.infer_train, self.workers = text, infer_train, workers
        self.C, self.max_iter = C, max_iter
        # Drawn from NumPy's generator, which the run's seed has set.
        seed = int(np.random.randint(2**31))
        parts = (dim, window, negative, min_count, sample, epochs, workers, seed)
        self.parts = {
            name: ParagraphVectors(name, *parts)  # type: ignore[arg-type]
            for name in architecture.split("+")
        }

    def make_estimator(self) -> BaseEstimator:
        return make_pipeline(
            StandardScaler(),
            LogisticRegression(C=self.C, max_iter=self.max_iter),
        )

    def learn_features(self, view: TrainView) -> np.ndarray:
        texts, rows, remarks = view.tokens, len(view.tokens), []
        if self.text == "train+unlabelled" and view.unlabelled is not None:
            texts = concat_ragged(texts, view.unlabelled)
            remarks.append("paragraph vectors learnt from train and unlabelled texts")
        if remark := not_repeatable("paragraph vectors", self.workers):
            remarks.append(remark)
        self.notes = tuple(remarks)
        # Words outside the vocabulary are left out like those below min_count.
        texts = drop_token(texts, view.unk_id)
        vectors = [part.fit(texts)[:rows] for part in self.parts.values()]
        if self.infer_train:
            return self.features(view.tokens)
        return np.concatenate(vectors, axis=1).astype(np.float64)

    def features(self, tokens: Ragged) -> np.ndarray:
        vectors = [part.infer(tokens) for part in self.parts.values()]
        return np.concatenate(vectors, axis=1).astype(np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"{name}.{key}": array
            for name, part in self.parts.items()
            for key, array in part.arrays().items()
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        for name, part in self.parts.items():
            prefix = f"{name}."
            part.load_arrays(
                {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
            )

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: the regression's, and those that inference needs."""
        layers = sum(
            part.gensim.wv.vectors.size + part.gensim.syn1neg.size for part in self.parts.values()
        )
        return super().parameter_count + layers
