"""NgramLM: an n-gram language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from datamodules.store.batching import TextBatch
from datamodules.store.ragged import concat_ragged
from datamodules.store.train_view import TrainView
from lit_models.base.hyperparameters import current_hyperparameters
from lit_models.base.without_steps import WithoutSteps
from lit_models.language.backoff import Backoff
from lit_models.language.model import LitLanguageModel, Score, State
from lit_models.language.ngram_counts import Symbols
from lit_models.language.smoothing import Smoothing, check_settings

_NOTHING = -1  # in a state: no symbol has been read here


class NgramLM(WithoutSteps, LitLanguageModel):
    """Chen & Goodman 1998, "An Empirical Study of Smoothing Techniques for Language Modeling".

    p(w_t | w_1 … w_{t-1}) depends on the last n - 1 words alone. It is learnt by counting the
    n-grams of all texts of the train side, with and without labels, and smoothed so that n-grams
    that were not seen have a probability too (`lit_models.language.smoothing`). Its parameters are
    the probabilities and weights of all n-grams of these texts.

    Args:
        order: n, length of the longest n-gram.
        smoothing: how n-grams that were not seen get a probability; `maximum_likelihood` gives them
            none, so that the perplexity of new texts is infinite.
        delta: δ of `add_delta`.
        **kwargs: of `LitLanguageModel`.

    Raises:
        ValueError: an order below 1, or a δ that is not above 0.
    """

    family: ClassVar[str] = "n-grams"
    deterministic = True

    def __init__(
        self,
        *,
        order: int = 5,
        smoothing: Smoothing = "modified_kneser_ney",
        delta: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_settings(order, delta)
        self.order, self.smoothing, self.delta = order, smoothing, delta
        self._backoff: Backoff | None = None

    @property
    def backoff(self) -> Backoff:
        """The probabilities, once the model is fitted or loaded."""
        assert self._backoff is not None, "fit or load the model first"
        return self._backoff

    def prepare(self, view: TrainView) -> None:
        """Count the n-grams of all texts and smooth their probabilities.

        Raises:
            ValueError: more than one process, or no text.
        """
        super().prepare(view)
        texts = view.tokens
        if view.unlabelled is None:
            self.notes = (
                "it learnt from the labelled train texts alone, since there are no others",
            )
        else:
            texts = concat_ragged(texts, view.unlabelled)
        symbols = Symbols(len(view.vocabulary), view.pad_id)
        self._backoff = Backoff.fit(texts, self.order, symbols, self.smoothing, self.delta)

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Score:
        """Ids, log-probabilities and numbers of predicted symbols of one batch.

        Raises:
            DataError: a token that the model does not know.
        """
        texts = batch.ragged()
        self.backoff.symbols.check(texts)
        log_probabilities = torch.from_numpy(self.backoff.score_texts(texts))
        return Score(batch.ids.cpu(), log_probabilities, batch.lengths.cpu() + 1)

    def begin(self, size: int) -> State:
        """State of `size` texts before the boundary: int64[B, n - 1], the last symbols read."""
        return (torch.full((size, self.order - 1), _NOTHING),)

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float64[B, V] ln p of the next symbol and the new state, after int64[B] symbols."""
        kinds = self.backoff.symbols
        read = torch.cat([state[0], symbols[:, None].cpu()], dim=1)[:, 1:]
        if self.order > 1:
            begins = symbols.cpu() == kinds.pad_id
            read[begins, :-1] = _NOTHING  # no context reaches beyond the start of a text
            read[begins, -1] = kinds.start
        rows = []
        for row in read.tolist():
            context = [symbol for symbol in row if symbol != _NOTHING]
            found = self.backoff.log_distribution(context)
            found[kinds.pad_id] = found[kinds.end]
            rows.append(found[: kinds.tokens])
        return torch.from_numpy(np.stack(rows)), (read,)

    def save(self, folder: Path) -> None:
        """Write hyper-parameters, probabilities and weights as safetensors."""
        self.write_arrays(folder, self.backoff.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model.

        Raises:
            ValueError: an array is missing, or does not fit the others.
        """
        saved, arrays = cls.read_arrays(folder)
        model = cls(**current_hyperparameters(cls, saved))
        model._backoff = Backoff.from_arrays(arrays)
        return model.eval()

    @property
    def parameter_count(self) -> int:
        """Number of probabilities and weights of n-grams that occur."""
        return self.backoff.size
