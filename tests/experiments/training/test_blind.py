"""Validation and prediction are blind: a model gets no label, and no id that gives one away."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.training.fitting import build_and_setup, fit_and_choose
from experiments.training.measure import predict
from lit_models.base.classifier import LitClassifier, Prediction
from lit_models.bilstm_tagger import BiLSTMTagger
from tests.experiments.training.test_refit import spec_of


class Leak(LitClassifier):
    """Predicts the labels that it is told, and class 0 where it is told none."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 2)

    def told(self, batch: TextBatch) -> Tensor:
        return batch.labels

    def forward(self, batch: TextBatch) -> Tensor:
        known = F.one_hot(self.told(batch).clamp(min=0) % 2, 2)
        return 9.0 * known + 0 * self.net(torch.ones(len(known), 1))


class IdLeak(Leak):
    def told(self, batch: TextBatch) -> Tensor:
        return batch.ids  # the label of row i is i modulo 2


class PredictStepLeak(Leak):
    """Has a `predict_step` of its own, as the estimators do."""

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        return Prediction(batch.ids, self(batch).softmax(dim=1))


class OwnStep(Leak):
    """Logs the figures of logits for which it was told the labels."""

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        self.log("val/log_loss", F.cross_entropy(self(batch), batch.labels))


class Calls(LitClassifier):
    """Does more than the step of its base, which it calls."""

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)


class Mixin:
    def validation_step(self, batch: TextBatch, batch_idx: int) -> None: ...


class Mixed(Mixin, Leak):
    """Has the step of another base."""


class Inherits(OwnStep):
    """Has the step of its base."""


def resolved_of(kind: type[LitClassifier] | type[BiLSTMTagger], run: Path) -> Resolved:
    spec = spec_of(run, "holdout")
    settings = spec.settings | {"model": {"class_path": f"{__name__}.{kind.__name__}"}}
    overrides = ("--trainer.max_epochs=1",)
    return dataclasses.replace(spec, settings=settings, overrides=overrides).resolve()


@pytest.mark.parametrize("kind", [OwnStep, Calls, Mixed, Inherits])
def test_no_epoch_is_chosen_by_figures_that_a_class_computes_from_labels_itself(
    kind: type[LitClassifier], tmp_path: Path
) -> None:
    resolved = resolved_of(kind, tmp_path / "run")
    build_and_setup(resolved)
    with pytest.raises(ConfigError, match=f"{kind.__name__} overrides validation_step.*override "):
        fit_and_choose(resolved, tmp_path / "run")


@pytest.mark.parametrize("kind", [Leak, IdLeak, PredictStepLeak])
def test_a_model_that_predicts_what_it_is_told_predicts_nothing(
    kind: type[Leak], tmp_path: Path
) -> None:
    resolved = resolved_of(kind, tmp_path / "run")
    model, data = build_and_setup(resolved)
    [epoch] = fit_and_choose(resolved, tmp_path / "run").clock.history
    assert epoch["val/accuracy"] == 0.5
    for part in ("val", "test"):
        predictions = predict(resolved.cli.trainer, model, data, part)
        right = predictions.probabilities.argmax(axis=1) == predictions.labels
        assert right.mean() == 0.5, part


class OwnPrediction(BiLSTMTagger):
    """Could return the tags of the batch."""

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Any:
        return super().predict_step(batch)


class OwnScore(BiLSTMTagger):
    """Could score what is not the tags."""

    def score(self, batch: Any) -> Any:
        return super().score(batch) * 0


@pytest.mark.parametrize("kind", [OwnPrediction, OwnScore])
def test_no_tagger_computes_its_figures_itself(kind: type[BiLSTMTagger], tmp_path: Path) -> None:
    resolved = resolved_of(kind, tmp_path / "run")
    build_and_setup(resolved)
    with pytest.raises(ConfigError, match=f"{kind.__name__} overrides (predict_step|score).*over"):
        fit_and_choose(resolved, tmp_path / "run")
