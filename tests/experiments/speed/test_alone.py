"""Times of published experiments, from the command to its file, without processes of their own."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.cli.main import main
from experiments.config.identity import setting_hash
from experiments.launch import table as module
from experiments.records.run_files import write_table
from experiments.records.times import read_times
from experiments.speed import alone
from tests.experiments.conftest import TOY
from tests.experiments.launch.test_table import queue
from tests.rows import make_row

NAMES = ["bag", "tfidf_logreg"]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published folder of two experiments, which are all that there are."""
    specs, rows = queue(tmp_path, *NAMES).specs, []
    for seconds, (name, spec) in enumerate(specs.items()):
        config = spec.resolve().config
        rows.append(
            make_row(experiment=name, epochs=seconds * 2, train_seconds=seconds + 1, config=config)
        )
    write_table(tmp_path / "imdb.jsonl", rows)
    real = module.Queue.__init__

    def few(self: Any, *words: Any, names: Sequence[str] = (), **more: Any) -> None:
        real(self, *words, names=names or NAMES, **more)

    monkeypatch.setattr(module.Queue, "__init__", few)
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the measuring processes, which run in this one."""
    found: list[list[str]] = []

    def run(command: list[str], threads: int) -> dict[str, Any]:
        assert command[1:3] == ["-m", "experiments.speed.alone"] and threads == 1
        found.append(command[4:])
        with contextlib.redirect_stdout(io.StringIO()) as output:
            alone.main(command[3:])
        return {**json.loads(output.getvalue().splitlines()[-1]), "others": 0.125}

    monkeypatch.setattr(alone, "run_measurement", run)
    return found


def test_each_published_experiment_is_measured_once(
    published: Path, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["table-times", "--results", str(published), *TOY]
    assert main(words) == 0
    times = {one.experiment: one for one in read_times(published / "imdb.times.json")}
    assert list(times) == NAMES
    for name, spec in queue(published, *NAMES).specs.items():
        assert times[name].setting == setting_hash(spec.resolve().config)
        assert times[name].corpus_fingerprint == spec.resolve().corpus_fingerprint()
        assert times[name].hardware["others_busy"] == 0.125
    assert times["bag"].seconds_per_epoch and not times["tfidf_logreg"].seconds_per_epoch
    assert "--prepare" in commands[0] and "--epochs=1" in commands[1]  # the faster one first
    assert len(commands) == 4 and str(published) not in (published / "imdb.times.json").read_text()

    assert main(words) == 0 and len(commands) == 4  # nothing is left
    assert main([*words, "bag"]) == 0 and len(commands) == 6  # unless it is named
    capsys.readouterr()
    assert main([*words, "cnn", "bag", "--model.learning_rate", "0.5"]) == 0
    told = capsys.readouterr().out
    assert all(f"no row of its present settings is published: {n}" in told for n in ("bag", "cnn"))
    assert len(commands) == 6


def test_a_failure_ends_no_other_measurement(
    published: Path,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = alone.run_measurement

    def fail(command: list[str], threads: int) -> dict[str, Any]:
        if not commands:
            commands.append([])
            raise SystemExit("python ended with code 1:\nlast words")
        return run(command, threads)

    monkeypatch.setattr(alone, "run_measurement", fail)
    assert main(["table-times", "--results", str(published), *TOY]) == 1
    assert "error: bag: python ended with code 1:\nlast words" in capsys.readouterr().err
    kept = read_times(published / "imdb.times.json")
    assert [one.experiment for one in kept] == ["tfidf_logreg"]
