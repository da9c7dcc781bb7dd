"""Runs kept apart: errors of observers, damaged rows and errors of every kind end no other run."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from datamodules.console import plain_console
from experiments.cli.main import main
from experiments.config.registry import Registry, read_profile
from experiments.launch import benchmark, launcher
from experiments.launch.benchmark import Plan, expand, pending
from experiments.launch.display import ProgressDisplay
from experiments.launch.launcher import (
    TolerantObserver,
    clear_run_folder,
    run_and_record,
)
from experiments.launch.local import LocalLauncher
from experiments.machine.resources import Share
from experiments.records.lock import exclusive_lock
from experiments.records.run_files import ROW_FILE, collect, read_row, write_row
from experiments.training import run
from experiments.training.outcome import failed_row
from experiments.training.signals import EXIT_STOPPED
from experiments.training.spec import RunSpec
from tests.experiments.conftest import TOY

DAMAGED = [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": 99}', b'{"schema": 2}', b"null"]


def plan_in(runs: Path, *names: str) -> Plan:
    return expand(
        Registry(),
        read_profile("smoke"),
        names=names,
        seeds=[0],
        name="b",
        runs=runs,
        overrides=[*TOY, "--run.wandb_mode=disabled", "--trainer.max_epochs=1"],
    )


class Own(BaseException):
    """An error that is no `Exception`."""


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("no"), GeneratorExit(), Own("x")])
def test_an_error_of_any_kind_becomes_a_row(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: Any) -> None:
        raise error

    monkeypatch.setattr(run, "execute", fail)
    [spec] = plan_in(tmp_path, "bag").specs
    assert run_and_record(spec, lambda what, share: None) == "done"
    assert str(read_row(spec.folder).reason).startswith(f"{type(error).__name__}: {error}"[:12])
    assert "Traceback" in (spec.folder / launcher.LOG_FILE).read_text()


def test_ctrl_c_in_a_run_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*words: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "execute", interrupt)
    [spec] = plan_in(tmp_path, "bag").specs
    with pytest.raises(KeyboardInterrupt):
        run_and_record(spec, lambda what, share: None)
    assert not (spec.folder / ROW_FILE).exists()


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_row_is_run_again_and_nothing_is_deleted(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_in(tmp_path, "bag", "tfidf_logreg")
    damaged, sound = plan.specs
    write_row(sound.folder, failed_row(sound, "made to fail", "2026-01-01T00:00:00+00:00"))
    damaged.folder.mkdir(parents=True)
    (damaged.folder / ROW_FILE).write_bytes(content)
    (damaged.folder / "model.ckpt").write_bytes(b"weights")
    assert pending(plan) == [damaged]
    assert [row.experiment for row in collect(plan.folder)] == ["tfidf_logreg"]
    assert str(damaged.folder / ROW_FILE) in capsys.readouterr().err
    clear_run_folder(damaged)
    assert not (damaged.folder / ROW_FILE).exists()
    [kept] = damaged.folder.parent.glob("earlier/seed-0-*")
    assert (kept / ROW_FILE).read_bytes() == content
    assert (kept / "model.ckpt").read_bytes() == b"weights"


class Fragile:
    """A `RunObserver` one of whose methods fails.

    Args:
        method: its name.
        error: what it raises.
    """

    def __init__(self, method: str, error: Exception) -> None:
        self.method, self.error = method, error
        self.outcomes: list[str] = []

    def _enter(self, method: str) -> None:
        if method == self.method:
            raise self.error

    def started(self, spec: RunSpec) -> None:
        self._enter("started")

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        self._enter("progressed")

    def message(self, words: str) -> None:
        self._enter("message")

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)
        self._enter("ended")


@pytest.mark.parametrize(
    "method",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in ("started", "progressed")), "ended"],
)
def test_an_error_of_an_observer_ends_no_run(
    method: str, tmp_path: Path, fork_server: object, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_in(tmp_path, "bag", "tfidf_logreg")
    observer = Fragile(method, KeyError("[/broken]"))
    assert LocalLauncher(2).run(plan.specs, TolerantObserver(observer))
    assert observer.outcomes == ["done", "done"]
    assert all(read_row(spec.folder).status == "ok" for spec in plan.specs)
    assert "KeyError: '[/broken]'" in capsys.readouterr().err


def test_a_run_whose_folder_cannot_be_cleared_ends_no_other(
    tmp_path: Path, fork_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_in(tmp_path, "bag", "tfidf_logreg")

    def clear(spec: RunSpec) -> None:
        if spec.experiment == "bag":
            raise PermissionError(13, "denied", str(spec.folder))

    monkeypatch.setattr("experiments.launch.local.clear_run_folder", clear)
    observer = Fragile("", KeyError())
    assert LocalLauncher().run(plan.specs, observer)
    assert observer.outcomes[1] == "done" and "PermissionError" in observer.outcomes[0]
    assert "PermissionError" in str(read_row(plan.specs[0].folder).reason)
    assert read_row(plan.specs[1].folder).status == "ok"


@pytest.mark.parametrize("method", ["started", "progressed", "ended"])
def test_a_display_that_fails_loses_no_row_of_a_run_that_died(
    method: str, tmp_path: Path, fork_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_in(tmp_path, "bag", "tfidf_logreg")
    monkeypatch.setattr("experiments.launch.local._run", _die)

    def fail(*words: Any) -> None:
        raise BrokenPipeError(32, "the terminal is gone")

    monkeypatch.setattr(ProgressDisplay, method, fail)
    assert benchmark.run(plan, plan.specs, plain_console(quiet=True), None, LocalLauncher())
    rows = [read_row(spec.folder) for spec in plan.specs]
    assert all("exit code 9" in str(row.reason) for row in rows)


def _die(spec: RunSpec, share: Share, channel: Connection) -> None:
    os._exit(9)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_an_observer_that_is_not_wrapped_ends_the_runs_and_leaves_no_lock(
    jobs: int, tmp_path: Path, fork_server: object
) -> None:
    plan = plan_in(tmp_path, "bag", "tfidf_logreg")
    with pytest.raises(OSError, match="no space"):
        LocalLauncher(jobs).run(plan.specs, Fragile("ended", OSError(28, "no space")))
    assert any((spec.folder / ROW_FILE).exists() for spec in plan.specs)
    for spec in plan.specs:
        with exclusive_lock(spec.folder):
            pass


def test_a_row_that_cannot_be_written_ends_no_other_run(
    tmp_path: Path,
    fork_server: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = plan_in(tmp_path, "bag", "tfidf_logreg")
    monkeypatch.setattr("experiments.launch.local._run", _die)

    def fail(*words: Any) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(launcher, "write_row", fail)
    observer = Fragile("", KeyError())
    assert LocalLauncher().run(plan.specs, observer)
    assert len(observer.outcomes) == 2
    assert capsys.readouterr().err.count("its row was not written") == 2


def test_a_run_that_ended_without_a_row_leaves_the_benchmark_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(plan: Plan, todo: list[RunSpec], *rest: Any) -> bool:
        row = failed_row(todo[0], "made to fail", "2026-01-01T00:00:00+00:00")
        write_row(todo[0].folder, row)  # and the disk is full before that of the other is written
        return True

    monkeypatch.setattr(benchmark, "run", run)
    monkeypatch.setattr(benchmark, "prepare", lambda *_: None)
    words = ["benchmark", "bag", "tfidf_logreg", "--name", "b", "--runs", str(tmp_path)]
    assert main([*words, *TOY, "--run.wandb_mode=disabled"]) == EXIT_STOPPED
