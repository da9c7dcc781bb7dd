"""Explainer: from a text and its predicted class to an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from datamodules.store.encoder import Encoder
from experiments.config.registry import ConfigError
from experiments.explaining.explanation import Attribution, Explanation, Shown, TokenContribution
from experiments.explaining.gradients import IntegratedGradients, RowInParts
from experiments.explaining.occlusion import occlude
from experiments.explaining.page import ShownExplanation
from experiments.explaining.wording import UNREAD
from lit_models.base.classifier import LitClassifier
from lit_models.layers.marks import Marks

if TYPE_CHECKING:
    from experiments.explaining.exact import LanguageModels, LinearModel

Method = Literal["exact", "integrated gradients", "occlusion"]


class Explainer:
    """Explanations of one model.

    The default method is `integrated gradients` where a model looks up word embeddings, `exact`
    where it is a sum over n-grams or words, and `occlusion` for all others, and for texts
    that an encoder reads in windows.

    Args:
        model: In evaluation mode.
        encoder: Its encoder.
    """

    def __init__(self, model: LitClassifier, encoder: Encoder) -> None:
        self.model, self.encoder = model, encoder
        self.truncation = encoder.token_truncation
        self.gradients = IntegratedGradients(model, self.truncation)

    @cached_property
    def linear(self) -> LinearModel | LanguageModels | None:
        """The linear form of the model, if it has one."""
        from experiments.explaining.exact import linear_model  # loads scikit-learn

        return linear_model(self.model)

    @cached_property
    def names(self) -> list[str]:
        """Tokens by id."""
        return self.encoder.tokenizer.vocabulary()

    def method(self, wanted: str | None = None) -> Method:
        """Method by its name, with a space or a hyphen; None: the default.

        Raises:
            ConfigError: There is no such method, or the model has none of it.
        """
        wanted = None if wanted is None else wanted.replace("-", " ")
        if wanted is not None and wanted not in get_args(Method):
            raise ConfigError(f"method {wanted!r}; choose one of {', '.join(get_args(Method))}")
        if wanted == "occlusion":
            return "occlusion"
        if wanted != "exact" and self.gradients.layers:
            return "integrated gradients"
        if wanted != "integrated gradients" and self.linear is not None:
            return "exact"
        if wanted is not None:
            kind = type(self.model).__name__
            reason = {
                "exact": "is no weighted sum over n-grams or words",
                "integrated gradients": "looks up no word embeddings through which gradients flow",
            }[wanted]
            raise ConfigError(
                f"method {wanted!r}: {kind} {reason}; choose {self.method()!r} or 'occlusion'"
            )
        return "occlusion"

    def attribute(self, row: np.ndarray, label: int, method: Method) -> Attribution:
        """Contributions of the tokens int64[T] of a row to the score of a label."""
        if method == "exact":
            assert self.linear is not None, "see `method`"
            return self.linear(row, label)[0]
        if method == "integrated gradients":
            return self.gradients(row, label)
        return occlude(self.model, row, label, self.truncation)

    def __call__(
        self, text: str, label: int, probability: float, method: str | None = None
    ) -> Explanation:
        """Explanation of one text that has a label.

        Args:
            text: The text.
            label: Number of its predicted class.
            probability: Its probability.
            method: See `method`.

        Raises:
            ConfigError: See `method`; or the model cannot explain this text by that method.
        """
        chosen = self.method(method)
        batch, spans = self.encoder.encode([text]), self.encoder.spans(text)
        row = batch.tokens[0].numpy()
        try:
            attribution = self.attribute(row, label, chosen)
        except RowInParts as error:
            if method is not None:
                raise ConfigError(
                    f"method {method!r}: the model reads a text of {len(row):,} tokens in windows; "
                    "choose 'occlusion'"
                ) from error
            chosen = "occlusion"
            attribution = self.attribute(row, label, chosen)
        batch = self.model.transfer_batch_to_device(batch, self.model.device, 0)
        with torch.inference_mode():
            shown: Mapping[str, Marks] = self.model.shown(batch.blind(), label)
        if chosen == "exact" and self.linear is not None:
            shown = {**shown, "n-grams": self.linear(row, label)[1]}
        values = attribution.contributions.tolist()
        return ShownExplanation(
            text=text,
            label=self.encoder.label_names[label],
            probability=probability,
            method=chosen,
            tokens=[
                TokenContribution(self._piece(text, row[n : n + 1], start, end), start, end, value)
                for n, ((start, end), value) in enumerate(zip(spans.tolist(), values, strict=True))
            ],
            gap=attribution.gap,
            score=attribution.score,
            base=attribution.base,
            steps=attribution.steps,
            shown={name: self._placed(text, row, spans, marks) for name, marks in shown.items()},
        )

    def _piece(self, text: str, tokens: np.ndarray, start: int, end: int) -> str:
        return text[start:end] if start >= 0 else " ".join(self.names[t] for t in tokens)

    def _placed(self, text: str, row: np.ndarray, spans: np.ndarray, marks: Marks) -> list[Shown]:
        """Weights of runs of tokens as those of pieces of the text."""
        shown = []
        for first, past, weight in zip(*(part.tolist() for part in marks), strict=True):
            inside = spans[first:past]
            inside = inside[inside[:, 0] >= 0]
            # Tokens on either side of a truncation are no neighbours in the text: name them.
            whole = len(inside) > 0 and bool((inside[1:, 0] - inside[:-1, 1] <= UNREAD).all())
            start, end = (int(inside[0, 0]), int(inside[-1, 1])) if whole else (-1, -1)
            shown.append(Shown(self._piece(text, row[first:past], start, end), start, end, weight))
        return shown
