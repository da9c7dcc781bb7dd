"""Finished runs of the queue's clones are published once, with the lines of their logs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.records import test_log, tuning_log
from experiments.records.publishing import SUPERSEDED, verify_published
from experiments.records.run_files import read_row, read_table, tables_in, write_row
from experiments.records.test_log import record_evaluation
from tests.experiments.records.test_test_log import CODE, TIME, official
from tests.rows import make_language_run, make_row, make_run


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the results of this checkout, with the logs in it."""
    folder = tmp_path / "results"
    folder.mkdir()
    for module in (test_log, tuning_log):
        monkeypatch.setattr(module, "LOG", folder / module.LOG.name)
    return folder


def add_run(place: Path, monkeypatch: pytest.MonkeyPatch, seed: int = 0, **changes: object) -> Path:
    """Finish an official run in a clone, logged there."""
    results = place / "clone" / "experiments" / "results"
    results.mkdir(parents=True, exist_ok=True)
    run = official(make_run(place / "runs" / "imdb", seed, **changes))
    with monkeypatch.context() as patch:
        patch.setattr(test_log, "LOG", results / "test_log.jsonl")
        record_evaluation(read_row(run), run, TIME, CODE)
    with open(results / "tuning_log.jsonl", "a") as log:
        log.write(f'{{"experiment": "cnn", "trials": {seed}, "before": "made"}}\n')
    return run


def publish(place: Path, results: Path) -> int:
    return main(["table-publish", str(place), "--results", str(results)])


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_finished_runs_and_lines_come_once(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.joinpath("test_log.jsonl").write_text("")
    add_run(tmp_path / "one", monkeypatch)
    failed = make_row(seed=1, status="failed", reason="made to fail")
    write_row(tmp_path / "one/runs/imdb/cnn/seed-1", failed)
    assert publish(tmp_path / "one", logs) == 0
    assert [row.seed for row in verify_published(logs)] == [0]
    assert len(test_log.read()) == len(tuning_log.read()) == 1

    before = files(logs)
    assert publish(tmp_path / "one", logs) == 0
    assert files(logs) == before

    add_run(tmp_path / "one", monkeypatch, seed=2)
    assert publish(tmp_path / "one", logs) == 0
    assert [row.seed for row in verify_published(logs)] == [0, 2]
    assert len(test_log.read()) == len(tuning_log.read()) == 2
    assert not (logs / SUPERSEDED).exists()


def test_an_older_clone_replaces_no_newer_row(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, day in (("old", 1), ("new", 2)):
        run = add_run(tmp_path / name, monkeypatch, data=day)
        write_row(run, dataclasses.replace(read_row(run), ended=f"2026-05-0{day}T00:00:00+00:00"))
    for name in ("old", "new", "old", "new"):
        assert publish(tmp_path / name, logs) == 0
    [row] = verify_published(logs)
    assert row.ended.startswith("2026-05-02")
    assert len(verify_published(logs / SUPERSEDED)) == 1


def test_a_folder_without_a_clone_is_named(
    tmp_path: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(tmp_path, logs) == 1
    assert "no such folder; name one that `make table` has made" in capsys.readouterr().err
    assert not list(logs.iterdir())


def test_an_evaluation_without_its_line_is_not_published(
    tmp_path: Path,
    logs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_run(tmp_path, monkeypatch)
    (tmp_path / "clone/experiments/results/test_log.jsonl").unlink()
    assert publish(tmp_path, logs) == 1
    assert f"is not in {logs / 'test_log.jsonl'}" in capsys.readouterr().err


def test_each_kind_of_problem_has_a_table_of_its_own(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.joinpath("test_log.jsonl").write_text("")
    add_run(tmp_path, monkeypatch)
    make_language_run(tmp_path / "runs" / "imdb")
    assert publish(tmp_path, logs) == 0
    tables = {file.name: [row.experiment for row in read_table(file)] for file in tables_in(logs)}
    assert tables == {"imdb.jsonl": ["cnn"], "imdb_language.jsonl": ["lstm_lm"]}
