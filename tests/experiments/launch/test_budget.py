"""The budget of a benchmark bounds all of it; an unfinished one has an exit code of its own."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest

import experiments.report
from experiments.cli.main import main
from experiments.launch import benchmark, budget
from experiments.training.signals import EXIT_STOPPED
from tests.experiments.conftest import TOY

pytestmark = pytest.mark.usefixtures("fork_server")


def wait(*words: Any, **named: Any) -> None:
    time.sleep(60)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    words = ["benchmark", "tfidf_logreg", "--runs", str(tmp_path), "--name", "b", "--budget", "9m"]
    return [*words, *TOY, "--run.wandb_mode=disabled"]


@pytest.mark.parametrize("part", ["prepare", "pending", "take_back_earlier", "report"])
def test_the_budget_bounds_every_part(
    part: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    if part == "report":
        monkeypatch.setattr(benchmark, "run", lambda *words: True)
        monkeypatch.setattr(benchmark, "prepare", lambda *words: None)
        monkeypatch.setattr("experiments.records.run_files.collect", lambda folder: [1])
        monkeypatch.setattr(experiments.report, "report", wait)
    else:
        monkeypatch.setattr(benchmark, part, wait)
    monkeypatch.setattr(budget, "seconds", lambda text: 0.5)
    started = time.monotonic()
    assert main(command) == EXIT_STOPPED == 75
    assert time.monotonic() - started < 30
    assert "the budget is used up; the same command goes on" in capsys.readouterr().out


@pytest.mark.parametrize("others", [[], ["bag"]])
def test_an_unfinished_benchmark_has_its_own_exit_code(
    others: list[str], command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if others:  # a run that has ended before the budget did
        assert main([command[0], *others, *command[2:]]) == 0
    monkeypatch.setattr(benchmark, "run", lambda *words: False)
    assert main(command) == EXIT_STOPPED
    assert (tmp_path / "b" / "report.md").exists() == bool(others)


def test_ctrl_c_keeps_its_exit_code(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*words: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "run", interrupt)
    assert main(command) == 130


def test_the_end_of_the_budget_is_said_again_where_it_was_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "_AGAIN_SECONDS", 0.05)
    with pytest.raises(budget.BudgetOver), budget.until(time.monotonic() + 0.05):
        with contextlib.suppress(BaseException):
            time.sleep(60)
        time.sleep(60)
    time.sleep(0.1)  # nothing comes after the block


@pytest.mark.parametrize("text", ["60", "9m", "24h"])
def test_some_of_the_budget_is_left_to_the_report(text: str) -> None:
    whole = budget.seconds(text)
    assert 5 <= whole - budget.of_runs(whole) <= 15
