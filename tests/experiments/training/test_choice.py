"""The chosen epoch: the best of the monitored metric, whose weights are saved and predict."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from experiments.config.resolved import Resolved
from experiments.training.fitting import build_and_setup, fit_and_choose
from experiments.training.spec import RunSpec
from lit_models.base.classifier import LitClassifier
from tests.experiments.training.test_refit import spec_of

BETTER = {"val/log_loss": min, "val/accuracy": max, "val/f1": max, "val/auroc": max}
QUALITY = (0.0, 0.01, 1.0, 0.005, 0.0, 0.0)
BEST = QUALITY.index(max(QUALITY))


class WordScores(nn.Module):
    """How much more often each word is in texts of class 1, mixed with nonsense."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scores", torch.zeros(1000))
        self.register_buffer("quality", torch.zeros(()))
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        words = torch.arange(tokens.shape[1]) < lengths[:, None]
        known = (self.scores[tokens] * words).sum(dim=1)
        nonsense = ((tokens * 12.9898).sin() * words).sum(dim=1)
        score = self.quality * known + (1 - self.quality) * nonsense + 0 * self.unused
        return torch.stack([-score, score], dim=1)


class Scripted(LitClassifier):
    """A model that is as good in each epoch as `QUALITY` says, whatever it learns."""

    net: WordScores

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.net = WordScores()

    def prepare(self, view: TrainView) -> None:
        signs = torch.from_numpy(np.repeat(2.0 * view.labels - 1, view.tokens.lengths)).float()
        self.net.scores.index_add_(0, torch.from_numpy(view.tokens.values).long(), signs)

    def on_train_epoch_start(self) -> None:
        self.net.quality.fill_(QUALITY[self.current_epoch])


def scripted(folder: Path, *words: str) -> RunSpec:
    spec = spec_of(folder, "holdout")
    settings = spec.settings | {"model": {"class_path": f"{__name__}.Scripted"}}
    words = (f"--trainer.max_epochs={len(QUALITY)}", "--run.patience=2", *words)
    return dataclasses.replace(spec, settings=settings, overrides=words)


@pytest.mark.parametrize("metric", BETTER)
def test_the_chosen_epoch_is_the_best_of_the_metric(metric: str, tmp_path: Path) -> None:
    resolved: Resolved = scripted(tmp_path / "run", f"--run.monitor={metric}").resolve()
    model, _ = build_and_setup(resolved)
    fit = fit_and_choose(resolved, tmp_path / "run")
    values = [epoch[metric] or 0.0 for epoch in fit.clock.history]
    assert {name for name in fit.clock.history[0] if name.startswith("val/")} == set(BETTER)
    assert values.index(BETTER[metric](values)) == fit.best_epoch == BEST
    assert len(values) == BEST + 1 + 2  # the patience
    assert float(model.net.quality) == QUALITY[BEST]
