"""Predictor: probabilities of raw texts from a finished run, without its corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import numpy as np
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TextBatch, widen
from datamodules.store.encoder import Encoder
from datamodules.trusted import import_trusted
from experiments.config.registry import ConfigError
from experiments.inference.run_folders import kind_of
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import (
    ROW_FILE,
    Weights,
    check_files,
    check_has_model,
    read_config,
    read_row,
    weights_folder,
)
from lit_models.base.classifier import LitClassifier
from lit_models.base.model import LitModel

_BATCH_SIZE = 128
_BATCH_CHARACTERS = 4_000_000  # bounds the memory of a batch of very long texts


def read_finished(folder: Path) -> Row:
    """Read the row of a finished run, and check its files.

    Raises:
        ConfigError: The folder is not one, or has no model (`check_has_model`).
        ResultsError: One of its files is missing or was changed.
    """
    if not (folder / ROW_FILE).is_file():
        if kind := kind_of(folder):
            raise ConfigError(f"{folder}: not a finished run but {kind}; name one of them")
        raise ConfigError(f"{folder}: not a finished run (it has no {ROW_FILE}); fit it first")
    if (row := read_row(folder)).status != "ok":
        raise ConfigError(f"{folder} {row.status}: {row.reason}; fit it again")
    check_has_model(folder, row)
    check_files(folder, row)
    return row


_COMMANDS = {
    "language modelling": "generate",
    "transcription": "transcribe",
    "tagging": "tag",
}
"""Command for a run of a problem without classes."""


class LoadedModel(NamedTuple):
    """Model and encoder of a run.

    Attributes:
        row: The run's row.
        model: The model, in evaluation mode.
        encoder: Its encoder.
    """

    row: Row
    model: LitModel
    encoder: Encoder


def load_model(folder: Path, device: str = "cpu", weights: Weights | None = None) -> LoadedModel:
    """Load the model of a run, of whatever kind of problem.

    Args:
        folder: A run folder, such as `runs/fit/cnn/seed-0`.
        device: Device to compute on.
        weights: Fit whose weights are loaded; None: the last, which is the second under `refit`.

    Raises:
        ConfigError: The folder is not a finished run.
        ResultsError: One of its files is missing, was changed or cannot be read.
        DataError: Its encoder is missing or damaged.
        Untrusted: A class that it names is not one of a trusted place (`datamodules.trusted`).
    """
    row = read_finished(folder)
    place = weights_folder(folder, row, weights)
    model = read_config(folder).get("model")
    class_path = str(model.get("class_path") if isinstance(model, dict) else model)
    try:
        architecture = import_trusted(class_path)
        if not issubclass(architecture, LitModel):
            raise TypeError("it is no LitModel")
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{class_path}: cannot be imported ({error}); for an architecture of your own give "
            "its folder with --configs DIR"
        ) from error
    encoder = Encoder.load(place)
    return LoadedModel(row, _load(architecture, place).to(device), encoder)


class Predictor:
    """Model and encoder of a classifier's run, loaded once for any number of predictions.

    Args:
        folder: A run folder, such as `runs/fit/cnn/seed-0`.
        device: Device to predict on.
        weights: Fit whose weights predict; None: the last, which is the second under `refit`.
        several_labels: Whether the run may be one whose texts have several labels.

    Attributes:
        model: The model.
        encoder: The encoder.
        threshold: Threshold of the run (`predicted_classes`, or `predicted_labels` of several), the
            same for both fits.

    Raises:
        ConfigError: The folder is not a finished run of a classifier, or its texts have several
            labels and must have one.
        ResultsError, DataError, Untrusted: See `load_model`.
    """

    def __init__(
        self,
        folder: Path,
        device: str = "cpu",
        weights: Weights | None = None,
        several_labels: bool = False,
    ) -> None:
        row, model, self.encoder = load_model(folder, device, weights)
        if not isinstance(model, LitClassifier):
            raise ConfigError(
                f"{folder}: {type(model).__name__} is a model of {model.problem} and predicts no "
                f"labels; `lit-sentiment {_COMMANDS[model.problem]} {folder}` puts it to use"
            )
        self.model, self.threshold = model, row.threshold
        if not several_labels:
            check_one_label(model, folder)
        classes, labels = self.model.num_classes, len(self.encoder.label_names)
        if classes != labels:
            raise ConfigError(
                f"{folder}: its model has {classes} classes and its encoder {labels} labels; they "
                "come from different runs: fit it again"
            )

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Predict the probabilities of N texts, float32[N, C]."""
        rows, probabilities = [], []
        with torch.inference_mode():
            for part, batch in self.batches(texts):
                rows += part
                probabilities.append(self.model.predict_step(batch).probabilities.cpu().numpy())
        return np.concatenate(probabilities)[np.argsort(rows)]

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], TextBatch]]:
        """Batches of texts on the model's device, each with the numbers of its texts.

        Texts of like length share a batch: little padding, and the predictions are the same.
        """
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for part in _parts(order, [len(text) for text in texts]):
            batch = self.encoder.encode([texts[row] for row in part])
            if len(texts) > _BATCH_SIZE:  # few widths, whatever the number of batches
                batch = widen(batch, self.encoder.token_truncation)
            yield part, self.model.transfer_batch_to_device(batch, self.model.device, 0)


def check_one_label(model: LitClassifier, folder: Path) -> None:
    """Refuse a model of several labels a text where one is wanted.

    Raises:
        ConfigError: It is one.
    """
    if model.multi_label:
        raise ConfigError(
            f"{folder}: its texts have several labels, and this is for runs with one label a "
            "text; `lit-sentiment predict` and `test` work with several"
        )


def _load(architecture: type[LitModel], folder: Path) -> LitModel:
    """Load a model. No pickle is run.

    Raises:
        ResultsError: Its files are missing, damaged, of another architecture or with a pickle.
    """
    try:
        return architecture.load(folder)
    except (ConfigError, DataError, ResultsError):
        raise
    except Exception as error:  # whatever torch, safetensors and skops say of a foreign file
        reason = " ".join(str(error).split())
        if isinstance(error, UnpicklingError):
            reason = "it holds more than weights, and pickles are not run"
        raise ResultsError(
            f"{folder}: its model cannot be read ({type(error).__name__}: {reason[:200]}); restore "
            "its files, or run the experiment again"
        ) from error


def _parts(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Rows of each batch: few enough, and of few enough characters; one empty batch of no row."""
    parts, characters = [list[int]()], 0
    for row in order:
        characters += lengths[row]
        if parts[-1] and (len(parts[-1]) == _BATCH_SIZE or characters > _BATCH_CHARACTERS):
            parts.append([])
            characters = lengths[row]
        parts[-1].append(row)
    return parts
