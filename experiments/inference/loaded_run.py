"""A trained run at work: `load_run`, and what it says of new texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.reading.labels import is_blank
from experiments.config.registry import ConfigError
from experiments.inference.predictor import Predictor, check_one_label
from experiments.records.metrics import predicted_classes
from experiments.records.problems.label_metrics import predicted_labels
from experiments.records.run_files import Weights, read_row

if TYPE_CHECKING:
    import pandas

    from datamodules.store.encoder import Encoder
    from experiments.explaining.explain import Explainer
    from experiments.explaining.explanation import Explanation
    from lit_models.base.classifier import LitClassifier

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labels and probabilities of N texts, in their order.

    Attributes:
        texts: The texts.
        labels: Name of the predicted class of each text; None where nothing can be predicted. Of a
            run with several labels a text a tuple of names, perhaps empty.
        probabilities: float32[N, C] of the classes in the order of `label_names`; NaN where a text
            has no label.
        label_names: Names of the C classes.
        reasons: Why a text has no label, such as `empty text`; None where it has one.
    """

    texts: Sequence[Any]
    labels: list[Any]
    probabilities: np.ndarray
    label_names: tuple[str, ...]
    reasons: list[str | None]

    def __len__(self) -> int:
        return len(self.labels)

    def to_pandas(self) -> pandas.DataFrame:
        """Frame of a row for each text: `text`, `label`, `P(<class>)` of each class, `reason`."""
        import pandas

        of_classes = {
            f"P({name})": self.probabilities[:, number]
            for number, name in enumerate(self.label_names)
        }
        return pandas.DataFrame(
            {
                "text": list(self.texts),
                "label": self.labels,
                **of_classes,
                "reason": self.reasons,
            }
        )


class TextClassifier(ABC):
    """Whatever predicts the class of raw texts: a run, or an ensemble of runs.

    Attributes:
        label_names: Names of the C classes.
        threshold: Least probability of the second of two classes to predict it; None: the most
            probable class is predicted. Of several labels that of each; None: 0.5.
        multi_label: Whether a text may have several labels, or none.
    """

    label_names: tuple[str, ...]
    threshold: float | None
    multi_label: bool = False

    @abstractmethod
    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Predict the probabilities of N ≥ 1 texts that are not blank, float[N, C]."""

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Predict labels and probabilities.

        A text from which nothing can be predicted (it is empty or blank, None, no string, half of a
        surrogate pair) has no label, and a reason. It stops no other.

        Args:
            texts: Any number of texts.

        Raises:
            TypeError: One string was given instead of a sequence of them.
        """
        if isinstance(texts, str):
            raise TypeError("predict takes a list of texts and was given one string; write [text]")
        texts = list(texts)
        reasons = [reason_of(text) for text in texts]
        rows = [row for row, reason in enumerate(reasons) if reason is None]
        probabilities = np.full((len(texts), len(self.label_names)), np.nan, dtype=np.float32)
        labels: list[Any] = [None] * len(texts)
        if rows:
            known = self.probabilities([texts[row] for row in rows])
            probabilities[rows] = known
            for row, label in zip(rows, self._labels(known), strict=True):
                labels[row] = label
        return Predictions(texts, labels, probabilities, self.label_names, reasons)

    def _labels(self, probabilities: np.ndarray) -> list[Any]:
        """Name, or tuple of names, that float[N, C] probabilities predict for each text."""
        if self.multi_label:
            predicted = predicted_labels(probabilities, self.threshold)
            return [tuple(self.label_names[at] for at in np.flatnonzero(row)) for row in predicted]
        return [self.label_names[at] for at in predicted_classes(probabilities, self.threshold)]


class LoadedRun(TextClassifier):
    """A finished run with its model in memory. `load_run` makes it.

    Attributes:
        folder: The run folder.
        row: Its row: settings, figures, versions.
        model: The model, in evaluation mode.
        encoder: Tokenizer and truncation, from texts to the batches that the model takes.
        label_names: Names of the classes, in the order of probabilities.
        threshold: Threshold of the run.
    """

    def __init__(self, folder: Path, predictor: Predictor, weights: Weights | None) -> None:
        self.folder, self.row, self.weights = folder, read_row(folder), weights
        self.predictor = predictor
        self.model: LitClassifier = predictor.model
        self.encoder: Encoder = predictor.encoder
        self.label_names, self.threshold = predictor.encoder.label_names, predictor.threshold
        self.multi_label = self.model.multi_label

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Predict the probabilities of N ≥ 1 texts, float32[N, C]."""
        return self.predictor(texts)

    def explain(self, texts: Sequence[str], method: str | None = None) -> list[Explanation]:
        """Explain the prediction for each text by the contributions of its tokens.

        A text without a label has no contributions, and a reason.

        Args:
            texts: Any number of texts.
            method: `exact`, `integrated gradients` or `occlusion`; None: the first of these that
                the model has.

        Raises:
            ConfigError: The model has no such method.
            TypeError: One string was given instead of a sequence of them.
        """
        from experiments.explaining.page import ShownExplanation

        self.explainer.method(method)  # refused before the work
        found, names = self.predict(texts), self.label_names
        explanations: list[Explanation] = []
        for text, label, row, reason in zip(
            found.texts, found.labels, found.probabilities, found.reasons, strict=True
        ):
            if label is None:
                explanations.append(ShownExplanation(text, None, None, "", [], reason=reason))
                continue
            number = names.index(label)
            explanations.append(self.explainer(text, number, float(row[number]), method))
        return explanations

    @cached_property
    def explainer(self) -> Explainer:
        """Explainer of the model, made once.

        Raises:
            ConfigError: Its texts have several labels.
        """
        from experiments.explaining.explain import Explainer

        check_one_label(self.model, self.folder)
        return Explainer(self.model, self.encoder)


def load_run(
    folder: str | Path, *, device: str = "cpu", weights: Weights | None = None
) -> LoadedRun:
    """Load a finished run. The folder is enough: no corpus, no network; no pickle is read.

        run = load_run("runs/quick/cnn/seed-0")
        run.predict(["A fine film.", "A waste of time."]).to_pandas()

    Args:
        folder: A run folder, such as `runs/quick/cnn/seed-0`.
        device: A device of PyTorch, such as `cpu` or `cuda:1`; `auto` takes a GPU if there is one.
        weights: Of a run under protocol `refit`: those of the first fit (`holdout`) or the second
            (`refit`). None: those of the last.

    Raises:
        ConfigError: The folder is not a finished run with a model, or there is no such device.
        ResultsError: One of its files is missing or was changed.
        DataError: Its encoder is missing or damaged.
    """
    folder = Path(folder)
    predictor = Predictor(folder, _device(device), weights, several_labels=True)
    return LoadedRun(folder, predictor, weights)


def reason_of(text: Any) -> str | None:
    """Reason why nothing can be predicted from a text; None if something can."""
    if not isinstance(text, str):
        kind = type(text).__name__
        # NaN and NA: pandas marks missing values by them.
        missing = text is None or kind == "NAType" or (isinstance(text, float) and text != text)
        return "no text" if missing else f"not a text but {kind}"
    if not text:
        return "empty text"
    if is_blank(text):
        return "blank text"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not valid Unicode"
    return None


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"device {name!r} cannot be used ({reason}); choose cpu") from error
    return name
