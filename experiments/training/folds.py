"""Cross-validation within train: a fit on each fold, and one prediction of every train row.

Everything that is learnt, the vocabulary and word vectors included, is learnt anew in each fold.
The folds train for the same epochs: the one is chosen that is best on the mean over the folds.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from datamodules.store.batching import TextBatch, TokenDataset
from datamodules.store.corpus import UNLABELLED
from experiments.config.resolved import Resolved
from experiments.records.atomic import replace_bytes
from experiments.records.predictions import read_predictions, write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.outputs import Outputs
from experiments.records.run_files import VAL_FILE
from experiments.training import ranks
from experiments.training.callbacks import ProgressFn
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.fitting import (
    SELECTION_FILE,
    Fit,
    build_and_setup,
    fit_epochs,
    identity_of,
    load_selection,
    save_selection,
)
from experiments.training.measure import gather, labelled, predict
from experiments.training.signals import StopRequest
from lit_models.base.classifier import Prediction

_FOLDER, _EPOCH_FILE, _MODEL_FILE = "fold-{}", "epoch-{}.parquet", "model.json"

History = list[dict[str, float | None]]


@dataclass(frozen=True)
class CrossValidation:
    """Result of all folds.

    Attributes:
        fits: fit of each fold.
        best_epoch: epoch of the predictions, from 0; None for a model without epochs.
        history: mean over the folds of each epoch that all of them reached; `seconds` is their sum.
    """

    fits: list[Fit]
    best_epoch: int | None
    history: History


class HeldOut(Callback):
    """Predictions of the held-out rows after each epoch; they are part of a checkpoint.

    Args:
        dataset: the held-out rows.

    Attributes:
        epochs: predictions by number of the epoch.
    """

    def __init__(self, dataset: TokenDataset) -> None:
        self.dataset = dataset
        self.epochs: dict[int, Predictions] = {}
        self._batches: list[Prediction] = []

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._batches = []

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: TextBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        with trainer.precision_plugin.forward_context():
            blind = batch._replace(labels=torch.full_like(batch.labels, UNLABELLED))
            self._batches.append(module.predict_step(blind, batch_idx))

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            ids, probabilities = gather(self._batches)
            self.epochs[trainer.current_epoch] = labelled(ids, probabilities, self.dataset)

    def state_dict(self) -> dict[str, Any]:
        return {
            str(epoch): torch.from_numpy(predictions.probabilities)
            for epoch, predictions in self.epochs.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        ids = self.dataset.rows
        self.epochs = {
            int(epoch): Predictions(ids, self.dataset.labels[ids], probabilities.numpy())
            for epoch, probabilities in state_dict.items()
        }


def is_interrupted(folder: Path) -> bool:
    """True if a run folder holds a state from which a later start goes on."""
    names = (RESUME_FILE, SELECTION_FILE, _FOLDER.format(0))
    return any((folder / name).exists() for name in names)


def cross_validate(
    resolved: Resolved, folder: Path, progress: ProgressFn, stop: StopRequest
) -> CrossValidation:
    """Fits each fold, unless an earlier start has, and writes the predictions of all train rows.

    Raises:
        Stopped: a signal stopped the run; a later call goes on with the fold that it was in.
        FloatingPointError: as `fit_epochs`.
        ConfigError: as `fit_epochs`.
    """
    parts = resolved.fits()
    fits = []
    for number, part in enumerate(parts):
        prefix = f"fold {number + 1} of {len(parts)}, "

        def tell(what: str, share: float, prefix: str = prefix, done: int = number) -> None:
            progress(prefix + what, (done + share) / len(parts))

        fits.append(_fit_fold(part, folder / _FOLDER.format(number), tell, stop))
    history = _mean_history([fit.clock.history for fit in fits])
    best_epoch = _best_epoch(history, resolved.run.monitor, resolved.run.mode)
    if ranks.is_rank_zero():
        file = _EPOCH_FILE.format(best_epoch or 0)
        held_out = [
            read_predictions(folder / _FOLDER.format(number) / file) for number in range(len(parts))
        ]
        columns = zip(*((one.ids, one.labels, one.probabilities) for one in held_out), strict=True)
        ids, labels, probabilities = map(np.concatenate, columns)
        groups = parts[-1].cli.datamodule.groups("train")
        of_rows = None if groups is None else groups[ids]
        write_predictions(folder / VAL_FILE, Predictions(ids, labels, probabilities, of_rows))
    return CrossValidation(fits, best_epoch, history)


def read_model_facts(folder: Path) -> list[dict[str, Any]]:
    """`parameters`, `trainable_parameters` and `notes` of the model of each fold."""
    files = sorted(folder.glob(_FOLDER.format("*") + f"/{_MODEL_FILE}"))
    return [json.loads(file.read_bytes()) for file in files]


def remove_folds(folder: Path) -> None:
    """Removes what the folds of a finished run have left."""
    for fold in folder.glob(_FOLDER.format("*")):
        shutil.rmtree(fold)


def _fit_fold(resolved: Resolved, folder: Path, progress: ProgressFn, stop: StopRequest) -> Fit:
    model, data = build_and_setup(resolved)
    stop.check("before a fold was fitted")
    identity = identity_of(resolved)
    saved = load_selection(folder, identity) if ranks.is_rank_zero() else None
    if (saved := ranks.broadcast(saved)) is not None:
        if not ranks.is_rank_zero():
            saved.clock.tokens = 0  # rank 0 holds the sum over all ranks
        return saved
    folder.mkdir(exist_ok=True)
    dataset: TokenDataset = data.loader("val").dataset  # type: ignore[assignment]
    record = HeldOut(dataset)
    fit = fit_epochs(resolved, folder, record, progress)
    # A model without epochs is never validated while it is fitted.
    epochs: Mapping[int, Outputs] = record.epochs or {
        0: predict(resolved.cli.trainer, model, data, "val")
    }
    stop.check("after the rows of a fold were predicted")
    if ranks.is_rank_zero():
        for epoch, predictions in epochs.items():
            write_predictions(folder / _EPOCH_FILE.format(epoch), predictions)
        facts = {
            "parameters": model.parameter_count,
            "trainable_parameters": model.trainable_parameter_count,
            "notes": model.notes,
        }
        replace_bytes(folder / _MODEL_FILE, json.dumps(facts).encode())
        save_selection(folder, identity, fit)
        (folder / RESUME_FILE).unlink(missing_ok=True)
    return fit


def _mean_history(histories: list[History]) -> History:
    mean: History = []
    for epochs in zip(*histories, strict=False):  # early stopping may end a fold before others
        metrics: dict[str, float | None] = {}
        for name in epochs[0]:
            values = [epoch.get(name) for epoch in epochs]
            numbers = [math.nan if value is None else value for value in values]
            metrics[name] = float(np.sum(numbers) if name == "seconds" else np.mean(numbers))
        mean.append(metrics)
    return mean


def _best_epoch(history: History, monitor: str, mode: str) -> int | None:
    if not history:
        return None
    values = np.array([epoch[monitor] for epoch in history], dtype=float)
    return int(values.argmin() if mode == "min" else values.argmax())
