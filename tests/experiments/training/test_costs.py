"""Costs in a row: what was trained, how long, and beside what."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.vectors.base import Vectors, WordVectors
from datamodules.vectors.word2vec import Word2Vec
from experiments.records.row import Row
from experiments.report.facts import warnings
from experiments.speed.busy import busy
from experiments.training import callbacks, run
from experiments.training.run import execute
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec
from lit_models.cnn import CNN
from tests.rows import make_row

VECTORS = {
    "class_path": "datamodules.vectors.word2vec.Word2Vec",
    "init_args": {"dim": 6, "min_count": 2, "epochs": 1},
}
SIZES = {"embedding_dim": 6, "num_filters": 4}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "frozen": ("cnn.CNN", SIZES | {"vectors_lr_scale": 0.0}),
    "cnn": ("cnn.CNN", SIZES),
    "average": ("vector_average_logreg.VectorAverageLogReg", {}),
    "bag": ("bag.Bag", {"embedding_dim": 6}),
    "tfidf_logreg": ("tfidf_logreg.TfidfLogReg", {}),
}
VOCABULARY = 5000


def spec_of(folder: Path, name: str, protocol: str = "holdout", **trainer: Any) -> RunSpec:
    module, options = MODELS[name]
    data = {"rows": 64, "batch_size": 8, "cache_dir": str(folder.parent / "cache")}
    data |= {"vocab_size": VOCABULARY}
    data |= {} if name in ("bag", "tfidf_logreg") else {"vectors": VECTORS}
    settings = {
        "model": {"class_path": f"lit_models.{module}", "init_args": options},
        "data": {"class_path": "tests.toys.ToyData", "init_args": data},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", **trainer},
        "run": {"protocol": protocol, "wandb_mode": "disabled"},
    }
    return RunSpec(name, "b", "smoke", 0, folder, settings)


@pytest.mark.parametrize("name", ["frozen", "cnn", "bag", "tfidf_logreg"])
def test_a_row_says_how_many_parameters_were_trained(name: str, tmp_path: Path) -> None:
    row = execute(spec_of(tmp_path / "run", name))
    assert row is not None and row.parameters is not None
    frozen = VOCABULARY * 6 if name == "frozen" else 0
    assert row.trainable_parameters == row.parameters - frozen > 0
    words = f"{row.trainable_parameters:,} of {row.parameters:,} parameters were trained"
    assert [words in note for note in row.notes].count(True) == (1 if frozen else 0)


@pytest.mark.parametrize("protocol", ["holdout", "refit"])
@pytest.mark.parametrize("name", ["cnn", "frozen", "average", "bag", "tfidf_logreg"])
def test_training_time_is_without_that_of_shared_vectors(
    name: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Vectors.load_or_learn

    def learnt_long_ago(*words: Any) -> WordVectors:
        return load(*words)._replace(seconds=1000.0)

    monkeypatch.setattr(Vectors, "load_or_learn", learnt_long_ago)
    started = time.monotonic()
    row = execute(spec_of(tmp_path / "run", name, protocol))
    assert row is not None and row.train_seconds is not None and row.seconds_to_best is not None
    assert 0 < row.seconds_to_best <= row.train_seconds <= time.monotonic() - started
    fits = 2 if protocol == "refit" else 1
    assert row.vectors_seconds == (None if name in ("bag", "tfidf_logreg") else 1000 * fits)


@pytest.mark.parametrize(
    ("late", "used", "halted"),
    [(60.0, 0.1, 59.0), (60.0, 59.0, 0.0), (60.0, 10.0, 0.0), (5.9, 0.0, 0.0), (6.2, 0.0, 5.2)],
)
@pytest.mark.parametrize("where", ["vectors", "prepare"])
def test_a_halt_before_the_first_step_counts_nowhere_and_work_counts_where_it_is_done(
    where: str,
    late: float,
    used: float,
    halted: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, passed, computed = spec_of(tmp_path / "run", "cnn"), [0.0], [0.0]
    real, real_used = time.perf_counter, time.process_time
    monkeypatch.setattr(time, "perf_counter", lambda: real() + sum(passed))
    monkeypatch.setattr(time, "process_time", lambda: real_used() + sum(computed))

    def pass_time(place: str) -> None:
        if place == where:
            passed.append(late)
            computed.append(used)
        else:
            passed.append(30.0)
            computed.append(30.0)

    def learn(*words: Any) -> tuple[np.ndarray, np.ndarray]:
        pass_time("vectors")
        return np.arange(2, 40), np.ones((38, 6), dtype=np.float32)

    monkeypatch.setattr(Word2Vec, "learn", learn)
    monkeypatch.setattr(CNN, "prepare", lambda *words: pass_time("prepare"))
    row = execute(spec)
    assert row is not None and row.train_seconds is not None
    seconds = {"vectors": row.vectors_seconds, "prepare": row.train_seconds}
    expected = {"vectors": 30.0, "prepare": 30.0, where: late - halted}
    assert seconds == {place: pytest.approx(expected[place], abs=2.0) for place in expected}


@pytest.mark.parametrize(  # of 6 steps in an epoch; the last is in the second fit
    ("protocol", "step"),
    [("holdout", 3), ("holdout", 8), ("refit", 3), ("refit", 8), ("refit", 12 + 3)],
)
def test_a_resumed_run_has_started_when_it_did_first(
    protocol: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = iter(range(3))
    count = iter(range(1, 1000))

    def stop(*words: Any) -> None:
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGTERM)

    def start() -> Row | None:
        time_now = f"2026-01-01T0{next(hour)}:00:00+00:00"
        for module in (run, callbacks):
            monkeypatch.setattr(module, "now", lambda: time_now, raising=False)
        return execute(spec_of(tmp_path / "run", "bag", protocol))

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.ProgressCallback, "on_train_batch_end", stop)
        with pytest.raises(Stopped):
            start()
    row = start()
    assert row is not None and row.started == "2026-01-01T00:00:00+00:00"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the time of all processes")
@pytest.mark.parametrize("name", ["bag", "tfidf_logreg"])
def test_a_run_beside_others_says_so(name: str, tmp_path: Path) -> None:
    with busy(1):
        row = execute(spec_of(tmp_path / "run", name, max_epochs=20))
    assert row is not None and 0.1 < row.hardware["others_busy"] <= 1
    [note] = [note for note in warnings([row]) if "Other processes" in note]
    assert f"{name} ({row.hardware['others_busy']:.0%})" in note


@pytest.mark.parametrize("share", [None, 0.0, 0.09, 0.1, 0.5])
def test_a_table_warns_of_busy_machines_alone(share: float | None) -> None:
    rows = [make_row(experiment="a", hardware={} if share is None else {"others_busy": share})]
    rows += [make_row(experiment="a", seed=1, hardware={"others_busy": 0.01})]
    notes = [note for note in warnings(rows) if "Other processes" in note]
    assert len(notes) == (share is not None and share > 0.1)
    assert not notes or "a (50%)" in notes[0]
