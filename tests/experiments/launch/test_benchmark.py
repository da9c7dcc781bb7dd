"""The benchmark end to end: finished, repeated, changed, crashed, killed and resumed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score

from experiments.config.registry import ConfigError, Registry, layered, read_profile
from experiments.launch import benchmark, budget, local
from experiments.launch.launcher import run_and_record
from experiments.launch.local import LocalLauncher
from experiments.records.run_files import read_row
from experiments.training import run
from experiments.training.signals import Stopped
from tests import warm
from tests.experiments.conftest import TOY, Command
from tests.warm import ForkServer

SLOW = """
import os, time
from lit_models.bag import Bag

class Slow(Bag):
    \"\"\"A bag that sleeps, crashes or is killed according to its setting.

    Args:
        ends: how it ends.
        **kwargs: of `Bag`.
    \"\"\"
    def __init__(self, *, ends: str = "well", **kwargs):
        super().__init__(**kwargs)
        self.ends = ends

    def training_step(self, batch, batch_idx):
        if self.ends == "error":
            raise RuntimeError("made to fail")
        if self.ends == "killed":
            os.kill(os.getpid(), 9)
        if self.ends == "nan":
            return super().training_step(batch, batch_idx) * float("nan")
        time.sleep(0.2)
        return super().training_step(batch, batch_idx)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder of four experiments with an architecture defined outside this project."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "slow_module.py").write_text(SLOW)
    for ends in ("well", "error", "killed", "nan"):
        settings = f"{{class_path: slow_module.Slow, init_args: {{ends: {ends}}}}}"
        (folder / f"slow_{ends}.yaml").write_text(f"# Slow, ends {ends}.\nmodel: {settings}\n")
    return folder


def wait_for(file: Path, process: warm.Command, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not file.exists():
        assert process.poll() is None, process.wait(0)
        assert time.monotonic() < end, f"{file} did not appear"
        time.sleep(0.05)


def epochs(folder: Path) -> list[int]:
    return [int(epoch["epoch"] or 0) for epoch in read_row(folder).history]


def test_every_run_leaves_its_row_and_files(finished: Path) -> None:
    for experiment, weights in (("bag", "model.ckpt"), ("tfidf_logreg", "arrays.safetensors")):
        folder = finished / experiment / "seed-0"
        names = {file.name for file in folder.iterdir()}
        files = {"row.json", "config.yaml", "metrics.json", "log.txt", "tokenizer.json", "wandb"}
        assert files | {"predictions.parquet", "val_predictions.parquet", weights} <= names
        assert not {"resume.ckpt", "best.ckpt"} & names
        row = read_row(folder)
        assert row.status == "ok" and row.train_seconds is not None and row.train_seconds > 0
        assert row.parameters and row.checkpoint_bytes and row.peak_memory_bytes
        assert row.latency_ms_p50 and row.latency_ms_p95 and row.reviews_per_second
    lines = (finished / "results.jsonl").read_text().splitlines()
    assert {json.loads(line)["experiment"] for line in lines} == {"bag", "tfidf_logreg"}
    assert (finished / "report.html").stat().st_size > 10_000
    assert "tfidf" in (finished / "report.md").read_text()


def test_the_rows_accuracy_is_that_of_the_predictions_file(finished: Path) -> None:
    for experiment in ("bag", "tfidf_logreg"):
        folder = finished / experiment / "seed-0"
        row = read_row(folder)
        for metrics, name in ((row.val, "val_predictions"), (row.test, "predictions")):
            table = pq.read_table(folder / f"{name}.parquet")
            chosen = np.stack([table["prob_0"], table["prob_1"]], axis=1).argmax(axis=1)
            assert metrics is not None and metrics.n == len(chosen)
            assert metrics.accuracy == accuracy_score(table["label"], chosen)


def test_a_second_start_repeats_nothing(finished: Path, lit: Command) -> None:
    rows = sorted(finished.glob("*/*/row.json"))
    before = [file.stat().st_mtime_ns for file in rows]
    words = ["bag", "tfidf_logreg", "--name", "b", "--runs", finished.parent, *TOY]
    done = lit("benchmark", *words)
    assert done.returncode == 0 and "tfidf_logreg" in done.stdout
    assert [file.stat().st_mtime_ns for file in rows] == before


def test_a_changed_config_is_run_again_and_the_rest_is_not(lit: Command, tmp_path: Path) -> None:
    words = ["benchmark", "tfidf_logreg", "--name", "b", "--runs", tmp_path, *TOY]
    folder = tmp_path / "b" / "tfidf_logreg" / "seed-0"
    assert lit(*words).returncode == 0
    first = read_row(folder)
    assert lit(*words, "--model.ngrams=1").returncode == 0
    second = read_row(folder)
    assert second.config_hash != first.config_hash
    assert second.parameters is not None and first.parameters is not None
    assert second.parameters < first.parameters


def test_crashes_become_rows_and_the_rest_goes_on(slow: Path, lit: Command, tmp_path: Path) -> None:
    names = ["slow_error", "slow_killed", "slow_nan", "bag"]
    done = lit("benchmark", *names, "--configs", slow, "--runs", tmp_path, "--name", "b", *TOY)
    assert done.returncode == 1
    reasons = {name: read_row(tmp_path / "b" / name / "seed-0").reason for name in names}
    assert reasons["slow_error"] == "RuntimeError: made to fail"
    assert "killed by SIGKILL" in str(reasons["slow_killed"])
    assert "train/loss is nan at step 1" in str(reasons["slow_nan"])
    assert reasons["bag"] is None
    assert "made to fail" in done.stdout and "SIGKILL" in done.stdout
    log = (tmp_path / "b" / "slow_error" / "seed-0" / "log.txt").read_text()
    assert "Traceback" in log


def test_kill_9_and_a_second_start_finish_the_benchmark(
    slow: Path, fork_server: ForkServer, lit: Command, tmp_path: Path
) -> None:
    words = ["benchmark", "slow_well", "bag", "--configs", slow, "--runs", tmp_path, "--name", "b"]
    process = fork_server.start("experiments", *words, *TOY)
    folder = tmp_path / "b" / "slow_well" / "seed-0"
    wait_for(folder / "resume.ckpt", process)
    os.kill(process.pid, signal.SIGKILL)  # only the parent: its run must end by itself
    assert process.wait(timeout=10).returncode == -signal.SIGKILL
    assert not (folder / "row.json").exists()
    second = lit(*words, *TOY)
    assert second.returncode == 0, second.stdout + second.stderr
    assert epochs(folder) == [0, 1]
    assert read_row(tmp_path / "b" / "bag" / "seed-0").status == "ok"
    assert len((tmp_path / "b" / "results.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_ctrl_c_leaves_a_state_from_which_the_same_command_goes_on(
    slow: Path, fork_server: ForkServer, lit: Command, tmp_path: Path
) -> None:
    words = ["benchmark", "slow_well", "--configs", slow, "--runs", tmp_path, "--name", "b", *TOY]
    words.append("--trainer.max_epochs=7")  # more than a busy machine can finish meanwhile
    process = fork_server.start("experiments", *words)
    folder = tmp_path / "b" / "slow_well" / "seed-0"
    wait_for(folder / "resume.ckpt", process)
    os.killpg(process.pid, signal.SIGINT)
    stopped = process.wait(timeout=100)
    assert stopped.returncode == 130 and "the same command goes on" in stopped.stderr
    assert not (folder / "row.json").exists()
    assert "stopped by SIG" in (folder / "log.txt").read_text()
    second = lit(*words)
    assert second.returncode == 0, second.stdout + second.stderr
    assert epochs(folder) == list(range(7))


def test_a_deadline_stops_a_run_with_a_checkpoint_and_starts_no_other(
    slow: Path, fork_server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = benchmark.expand(
        Registry([slow]),
        read_profile("smoke"),
        names=["slow_well"],
        seeds=[0],
        name="b",
        runs=tmp_path,
        overrides=["--data=tests.toys.ToyData", "--data.rows=2000", "--trainer.max_epochs=50"],
    )
    events: list[str] = []
    ahead = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr(local, "time", clock)

    class Observer:
        def started(self, spec: run.RunSpec) -> None:
            events.append("started")

        def progressed(self, spec: run.RunSpec, what: str, share: float) -> None:
            nonlocal ahead
            events.append(what)
            if what.startswith("epoch 1/"):  # enough was seen: it is time to stop
                ahead = 20

        def ended(self, spec: run.RunSpec, outcome: str, seconds: float) -> None:
            events.append(outcome)

        def message(self, words: str) -> None:
            events.append(words)

    started = time.monotonic()
    specs = [plan.specs[0], dataclasses.replace(plan.specs[0], folder=tmp_path / "other")]
    assert not LocalLauncher().run(specs, Observer(), started + 60, grace=40)
    assert time.monotonic() - started < 60
    assert events[0] == "started" and events[-1] == "stopped" and events.count("started") == 1
    assert (plan.specs[0].folder / "resume.ckpt").exists()
    assert any(what.startswith("epoch 1/") for what in events)


def test_sigterm_between_steps_leaves_a_run_that_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*words: object) -> None:
        raise Stopped(signal.SIGTERM, "between steps")  # neither a row nor a failure

    monkeypatch.setattr(run, "execute", answer)
    settings = layered(Registry(), "bag", read_profile("smoke"))
    spec = run.RunSpec("bag", "b", "smoke", 0, tmp_path, settings)
    assert run_and_record(spec, lambda what, share: None) == "stopped"
    assert not (tmp_path / "row.json").exists()


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("75s", 75), ("9m", 540), ("1.5h", 5400)]
)
def test_budgets_are_read(text: str, expected: float) -> None:
    assert budget.seconds(text) == expected


def test_a_budget_that_is_no_time_is_an_error() -> None:
    with pytest.raises(ConfigError, match="--budget 'soon' is not a time"):
        budget.seconds("soon")
