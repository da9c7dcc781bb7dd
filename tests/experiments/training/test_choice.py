"""The chosen epoch, and the figures of a row, by a model and a clock that are known exactly."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch, TokenDataset
from datamodules.store.train_view import TrainView
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.machine.environment import peak_memory_bytes
from experiments.records.predictions import read_predictions
from experiments.records.row import Row
from experiments.records.run_files import TEST_FILE, VAL_FILE
from experiments.training import outcome, run
from experiments.training.fitting import build_and_setup, fit_and_choose
from experiments.training.measure import latency, predict
from experiments.training.run import execute
from experiments.training.spec import RunSpec
from lit_models.base.classifier import LitClassifier, Prediction
from tests.experiments.training.test_refit import BATCH, ROWS, spec_of

BETTER = {"val/log_loss": min, "val/accuracy": max, "val/f1": max, "val/auroc": max}
QUALITY = (0.0, 0.01, 1.0, 0.005, 0.0, 0.0)
BEST = QUALITY.index(max(QUALITY))


class WordScores(nn.Module):
    """Ratio by which each word is more frequent in texts of class 1, mixed with nonsense."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("scores", torch.zeros(1000))
        self.register_buffer("quality", torch.zeros(()))
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        words = torch.arange(tokens.shape[1]) < lengths[:, None]
        known = (self.scores[tokens] * words).sum(dim=1)
        nonsense = ((tokens * 12.9898).sin() * words).sum(dim=1)
        score = self.quality * known + (1 - self.quality) * nonsense + 0 * self.unused
        return score[:, None] * torch.arange(-1, self.num_classes - 1)


class Scripted(LitClassifier):
    """A model that is as good in each epoch as `QUALITY` says, whatever it learns."""

    net: WordScores

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.net = WordScores(self.num_classes)

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


def test_a_metric_that_is_undefined_is_not_taken_for_a_diverged_fit(tmp_path: Path) -> None:
    spec = scripted(tmp_path / "run", "--run.monitor=val/auroc", "--data.classes=3")
    spec = dataclasses.replace(spec, overrides=(*spec.overrides, "--data.rows=8"))
    resolved = spec.resolve()  # 2 validation rows, of 3 classes
    build_and_setup(resolved)
    with pytest.raises(ConfigError, match="'val/auroc', which is undefined where a class is abs"):
        fit_and_choose(resolved, tmp_path / "run")


# The clock of the run below: seconds that each part takes.
PREPARE, FETCH, STEP, VALIDATION, CALL, TEXT = 2.0, 0.05, 0.25, 100.0, 0.010, 0.001
STEPS = ROWS * 3 // 4 // BATCH  # of an epoch
VALIDATION_ROWS = range(ROWS * 3 // 4, ROWS)


class Clock:
    """Time that passes only where the model says so."""

    now = 0.0


class Timed(Scripted):
    """A model each of whose calls takes a known time."""

    def prepare(self, view: TrainView) -> None:
        Clock.now += PREPARE
        super().prepare(view)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        Clock.now += STEP
        return super().training_step(batch, batch_idx)

    def on_validation_batch_start(self, *_: Any) -> None:
        Clock.now += VALIDATION

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        Clock.now += CALL + TEXT * len(batch.lengths)
        return super().predict_step(batch, batch_idx)


@dataclasses.dataclass
class Finished:
    """A run, its row, and the most memory that the process had used before and after it."""

    folder: Path
    row: Row
    memory: tuple[int, int]
    data: TextDataModule

    def predicted(self, part: str) -> np.ndarray:
        rows = VALIDATION_ROWS if part == "train" else range(ROWS // 2)
        texts = self.data.texts(part)
        return Predictor(self.folder)([texts[row] for row in rows])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    spec = scripted(tmp_path_factory.mktemp("timed") / "run")
    settings = spec.settings | {"model": {"class_path": f"{__name__}.Timed"}}
    spec = dataclasses.replace(spec, settings=settings)
    fetch = TokenDataset.__getitem__

    def slow_fetch(self: TokenDataset, positions: np.ndarray) -> TextBatch:
        Clock.now += FETCH
        return fetch(self, positions)

    before = peak_memory_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: Clock.now)
        patch.setattr(TokenDataset, "__getitem__", slow_fetch)
        row = execute(spec)
    assert row is not None
    _, data = build_and_setup(spec.resolve())
    return Finished(spec.folder, row, (before, peak_memory_bytes()), data)


def test_the_row_names_the_best_epoch_and_its_figures(finished: Finished) -> None:
    row = finished.row
    assert (row.best_epoch, row.epochs) == (BEST, BEST + 1 + 2)
    assert row.val is not None
    for name in ("log_loss", "accuracy", "f1", "auroc"):
        values = [epoch[f"val/{name}"] or 0.0 for epoch in row.history]
        assert getattr(row.val, name) == pytest.approx(values[BEST], abs=1e-6)
        assert values[-1] != values[BEST]


def test_the_saved_model_is_that_of_the_best_epoch(finished: Finished) -> None:
    state = torch.load(finished.folder / "model.ckpt", weights_only=True)["state_dict"]
    assert float(state["net.quality"]) == QUALITY[BEST]
    assert finished.row.parameters == 1
    parts = ("model.ckpt", "encoder.json", "tokenizer.json")
    sizes = [(finished.folder / name).stat().st_size for name in parts]
    assert finished.row.checkpoint_bytes == sum(sizes)


@pytest.mark.parametrize(("file", "part"), [(VAL_FILE, "train"), (TEST_FILE, "test")])
def test_predictions_are_those_of_the_saved_model_for_the_right_rows(
    file: str, part: str, finished: Finished
) -> None:
    predictions = read_predictions(finished.folder / file)
    rows = np.array(VALIDATION_ROWS if part == "train" else range(ROWS // 2))
    assert np.array_equal(predictions.ids, rows)
    assert np.array_equal(predictions.labels, rows % 2)  # as the corpus is made
    assert np.allclose(predictions.probabilities, finished.predicted(part), atol=1e-6)
    metrics = finished.row.val if part == "train" else finished.row.test
    right = predictions.probabilities.argmax(axis=1) == rows % 2
    assert metrics is not None and (metrics.accuracy, metrics.n) == (right.mean(), len(rows))


def test_the_seconds_of_the_row_are_those_of_the_clock(finished: Finished) -> None:
    row, epoch = finished.row, STEPS * (FETCH + STEP)
    assert row.epochs is not None and row.best_epoch is not None
    assert row.train_seconds == pytest.approx(PREPARE + row.epochs * epoch)
    assert row.seconds_to_best == pytest.approx(PREPARE + (row.best_epoch + 1) * epoch)
    for number, entry in enumerate(row.history):
        assert entry["seconds"] == pytest.approx((number + 1) * epoch)
    texts = [finished.data.texts("train")[row] for row in range(VALIDATION_ROWS[0])]
    tokens = int(finished.data.encoder.encode(texts).lengths.sum())
    assert row.train_tokens_per_second == pytest.approx(tokens / epoch)
    final = json.loads((finished.folder / "metrics.json").read_text())["final"]
    assert final["milliseconds_per_step"] == pytest.approx(1000 * (FETCH + STEP))
    assert final["data_wait_share"] == pytest.approx(FETCH / (FETCH + STEP))


def test_latency_and_throughput_are_those_of_the_clock(finished: Finished) -> None:
    row, texts = finished.row, len(VALIDATION_ROWS)
    assert row.latency_ms_p50 == pytest.approx(1000 * (CALL + TEXT))
    assert row.latency_ms_p95 == pytest.approx(1000 * (CALL + TEXT))
    assert row.reviews_per_second == pytest.approx(texts / (CALL + texts * TEXT))
    assert row.best_batch_size == texts


def test_the_peak_of_memory_is_that_of_the_process(finished: Finished) -> None:
    before, after = finished.memory
    assert before <= (finished.row.peak_memory_bytes or 0) <= after


SLEEP = 0.005


class Asleep(Scripted):
    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        time.sleep(SLEEP)
        return super().predict_step(batch, batch_idx)


def test_latency_is_at_least_the_sleep_of_the_model(tmp_path: Path) -> None:
    spec = scripted(tmp_path / "run")
    settings = spec.settings | {"model": {"class_path": f"{__name__}.Asleep"}}
    resolved = dataclasses.replace(spec, settings=settings).resolve()
    model, data = build_and_setup(resolved)
    started = time.monotonic()
    milliseconds = latency(resolved.cli.make_trainer(logger=False), model, data)
    passed = 1000 * (time.monotonic() - started)
    assert milliseconds.min() >= 1000 * SLEEP and milliseconds.sum() <= passed


@pytest.mark.parametrize("protocol", ["holdout", "refit"])
@pytest.mark.parametrize("test", [True, False])
def test_each_part_is_predicted_once_by_each_weights_that_are_tested(
    test: bool, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = []

    def watched(trainer: Any, model: LitClassifier, data: TextDataModule, part: str) -> Any:
        parts.append(data.loader(part).dataset.rows.tolist())  # type: ignore[attr-defined]
        return predict(trainer, model, data, part)

    monkeypatch.setattr(run, "predict", watched)
    monkeypatch.setattr(outcome, "throughput", lambda *words: (1.0, 1))
    monkeypatch.setattr(outcome, "latency", lambda *words: np.ones(1))
    words = (f"--run.protocol={protocol}",)
    execute(dataclasses.replace(scripted(tmp_path / "run", *words), test=test))
    times = {"holdout": 1, "refit": 2}[protocol] if test else 0
    assert parts == [list(VALIDATION_ROWS), *[list(range(ROWS // 2))] * times]
