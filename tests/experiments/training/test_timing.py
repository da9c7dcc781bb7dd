"""Times of a fit on which nothing is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.config.resolved import Resolved
from experiments.records import test_log, tuning_log
from experiments.training import timing
from experiments.training.timing import measure_times, prepare_times
from lit_models.base.classifier import LitClassifier
from tests.experiments.training.test_costs import spec_of

STEPS = 6  # of 48 train rows in batches of 8


def resolved(folder: Path, name: str, **trainer: Any) -> Resolved:
    spec = spec_of(folder, name, "refit", **trainer)
    data = spec.settings["data"] | {"class_path": "tests.toys.OfficialToy"}
    return Resolved(spec.settings | {"data": data, "seed_everything": 0})


@pytest.fixture(autouse=True)
def nothing_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: Any, **more: Any) -> None:
        raise AssertionError("evaluated")

    monkeypatch.setattr(LitClassifier, "validation_step", refuse)
    monkeypatch.setattr(test_log, "record_evaluation", refuse)
    monkeypatch.setattr(tuning_log, "record_trial", refuse)


@pytest.mark.parametrize("name", ["cnn", "average", "bag", "tfidf_logreg"])
def test_every_kind_of_model_is_measured(name: str, tmp_path: Path) -> None:
    settings = resolved(tmp_path / "run", name)
    prepare_times(settings)
    found = measure_times(settings, tmp_path / "run", epochs=1, seconds=60.0)
    steps = name in ("cnn", "bag")
    assert found["measured_epochs"] == (1.0 if steps else 0.0)
    assert (found["seconds_per_epoch"] is not None) == steps
    assert (found["vectors_seconds"] is not None) == (name in ("cnn", "average"))
    assert found["prepare_seconds"] > 0 and 0 < found["latency_ms_p50"] <= found["latency_ms_p95"]
    assert found["reviews_per_second"] > 0 and found["peak_memory_bytes"] > 2**20
    assert settings.cli.datamodule.train_indices().size == 48  # one fit on the train part


@pytest.mark.parametrize(
    ("epochs", "seconds", "measured"), [(2, 1e9, 2.0), (1, 1e9, 1.0), (5, 8.0, 9 / STEPS)]
)
def test_an_epoch_is_extrapolated_from_the_steps_that_were_made(
    epochs: int,
    seconds: float,
    measured: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = [0.0]

    class Clock(timing.EpochShare):
        def on_train_batch_end(self, *words: Any) -> None:
            passed[0] += 1.0  # each step takes a second
            super().on_train_batch_end(*words)

    monkeypatch.setattr(timing, "EpochShare", Clock)
    monkeypatch.setattr(timing.time, "monotonic", lambda: passed[0])
    monkeypatch.setattr("datamodules.halts.RunningClock.seconds", lambda self: passed[0])
    settings = resolved(tmp_path / "run", "bag", max_epochs=5)
    found = measure_times(settings, tmp_path / "run", epochs=epochs, seconds=seconds)
    assert found["measured_epochs"] == pytest.approx(measured)
    assert found["seconds_per_epoch"] == pytest.approx(STEPS)
