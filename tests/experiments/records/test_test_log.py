"""Log of test evaluations: without a line in it nothing is tested or published."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from datamodules import console
from datamodules.files import TextFiles
from datamodules.imdb import IMDB
from datamodules.movie_reviews import MovieReviews
from experiments.cli.main import main
from experiments.config.identity import setting_hash
from experiments.records import logs, test_log
from experiments.records.publishing import publish
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, read_rows
from experiments.records.test_log import (
    Entry,
    count_looks,
    is_logged,
    read,
    record_evaluation,
)
from tests.experiments.records.test_run_files import PUBLISHED
from tests.rows import make_row, make_run

CODE = ("b" * 40, True)
TIME = "2026-04-01T00:00:00+00:00"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Log in the temporary folder."""
    monkeypatch.setattr(test_log, "LOG", tmp_path / "test_log.jsonl")
    monkeypatch.setattr(console, "_said", {})
    return tmp_path / "test_log.jsonl"


def official(run: Path) -> Path:
    """The same run, as if of a corpus with an official test split."""
    data = {"class_path": "tests.toys.OfficialToy"}
    (run / "config.yaml").write_text(json.dumps({"data": data}))
    return run


def entry(**changes: Any) -> Entry:
    row = make_row()
    values = {field.name: getattr(row, field.name, None) for field in dataclasses.fields(Entry)}
    values |= {"time": TIME, "accuracy": 0.8812, "log_loss": 0.3, "n": 2000, "run": "b/cnn/seed-0"}
    return Entry(**(values | changes))


def fit(tmp_path: Path, *words: str, data: str = "OfficialToy") -> Path:
    """Fit with the command line, in this process, and return the run folder."""
    fixed = ["fit", "-c", "tfidf_logreg", "--profile", "smoke", "--runs", str(tmp_path / "runs")]
    fixed += [f"--data=tests.toys.{data}", "--run.wandb_mode=disabled"]
    assert main([*fixed, *words]) == 0
    return tmp_path / "runs" / "fit" / "tfidf_logreg" / "seed-0"


def test_only_the_official_corpus_is_logged() -> None:
    assert IMDB.official_test
    assert not MovieReviews.official_test and not TextFiles.official_test


def test_fit_and_test_log_each_evaluation_once(log: Path, tmp_path: Path) -> None:
    folder = fit(tmp_path)
    assert not log.exists()  # validation only
    assert main(["test", str(folder)]) == 0
    assert main(["test", str(folder)]) == 0  # shows what is there, evaluates nothing
    row = read_row(folder)
    first, second = map(json.loads, log.read_text().splitlines())
    assert row.test and row.test_refit
    assert first == {
        "time": first["time"],
        "experiment": "tfidf_logreg",
        "architecture": "TfidfLogReg",
        "corpus": "toy",
        "corpus_fingerprint": row.corpus_fingerprint,
        "protocol": "holdout",
        "profile": "smoke",
        "seed": 0,
        "config_hash": row.config_hash,
        "git_commit": row.git_commit,
        "git_dirty": row.git_dirty,
        "accuracy": row.test.accuracy,
        "log_loss": row.test.log_loss,
        "n": row.test.n,
        "run": "fit/tfidf_logreg/seed-0",
        "setting": setting_hash(row.config),
    }
    refit = {name: getattr(row.test_refit, name) for name in ("accuracy", "log_loss", "n")}
    assert second == first | {"protocol": "refit"} | refit
    fit(tmp_path, "--test", "--rerun")
    assert [one.protocol for one in read()] == ["holdout", "refit"] * 2
    log.write_text(json.dumps(first) + "\n")  # a figure without its line is evaluated again
    assert main(["test", str(folder)]) == 0
    assert is_logged(read(), read_row(folder)) and len(read()) == 3


def test_a_benchmark_logs_too(log: Path, tmp_path: Path) -> None:
    from experiments.config.registry import Registry, layered, read_profile
    from experiments.training.run import execute
    from experiments.training.spec import RunSpec

    settings = layered(Registry(), "tfidf_logreg", read_profile("smoke"))
    words = ("--data=tests.toys.OfficialToy", "--run.wandb_mode=disabled")
    spec = RunSpec("tfidf_logreg", "b", "smoke", 3, tmp_path / "run", settings, words)
    row = execute(spec)
    assert [(one.seed, one.time) for one in read()] == [(3, row.ended)] * 2
    assert is_logged(read(), row)


def test_other_corpora_leave_no_line(log: Path, tmp_path: Path) -> None:
    folder = fit(tmp_path, "--test", data="ToyData")
    assert read_row(folder).test is not None and not log.exists()


def test_what_stands_in_the_log_stays(log: Path, tmp_path: Path) -> None:
    log.write_text(json.dumps(dataclasses.asdict(entry())) + "\n")
    before = log.read_bytes()
    run = official(make_run(tmp_path))
    record_evaluation(read_row(run), run, TIME, CODE)
    assert log.read_bytes().startswith(before) and log.read_bytes().endswith(b"\n")
    assert [(one.git_commit, one.git_dirty) for one in read()] == [("a" * 40, False), CODE]
    assert oct(log.stat().st_mode & 0o777) == "0o644"


def test_a_log_out_of_reach_is_told_once_and_fails_nothing(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = official(make_run(tmp_path))
    monkeypatch.setattr(test_log, "LOG", tmp_path / "none" / "test_log.jsonl")
    for _ in range(2):
        record_evaluation(read_row(run), run, TIME, CODE)
    said = capsys.readouterr().err
    assert said.count("note: test evaluations are not added to test_log.jsonl") == 1
    monkeypatch.setattr(test_log, "LOG", log)
    monkeypatch.setattr(logs, "CHECKOUT", False)
    record_evaluation(read_row(run), run, TIME, CODE)
    assert not log.exists()


def test_a_damaged_line_is_named(log: Path) -> None:
    log.write_text(json.dumps(dataclasses.asdict(entry())) + "\n{}\n")
    with pytest.raises(ResultsError, match=f"{log}:2: not an entry"):
        read()


def test_an_unlogged_test_figure_is_not_published(log: Path, tmp_path: Path) -> None:
    run, home = official(make_run(tmp_path)), tmp_path / "published"
    row = read_row(run)
    with pytest.raises(ResultsError, match=rf"not in {log}; run `lit-sentiment test {run}`"):
        publish([run], "imdb", home)
    assert row.test is not None
    better = dataclasses.replace(row.test, accuracy=row.test.accuracy + 0.01)
    record_evaluation(dataclasses.replace(row, test=better), run, TIME, CODE)  # another outcome
    record_evaluation(dataclasses.replace(row, seed=1), run, TIME, CODE)  # another seed
    with pytest.raises(ResultsError, match="not in"):
        publish([run], "imdb", home)
    record_evaluation(row, run, TIME, CODE)
    publish([run], "imdb", home)
    assert publish([make_run(tmp_path, 5)], "own", home)  # no official test split
    with pytest.raises(ResultsError, match="'test_log', the name of a log"):
        publish([run], "test_log", home)
    (run / "config.yaml").unlink()
    with pytest.raises(ResultsError, match="does not name a usable datamodule"):
        publish([run], "imdb", home)


def test_a_look_is_a_setting_under_a_protocol_whatever_its_seeds() -> None:
    seeds = [entry(seed=seed, config_hash=f"{seed}" * 16, setting="a" * 16) for seed in range(3)]
    again = entry(setting="a" * 16, accuracy=0.9)
    assert count_looks([*seeds, again], "cnn") == 1
    assert count_looks([*seeds, entry(setting="b" * 16)], "cnn") == 2
    assert count_looks([*seeds, entry(setting="a" * 16, protocol="refit")], "cnn") == 2
    older = [entry(setting=None, config_hash=name * 16) for name in "cdc"]
    assert count_looks([*seeds, *older, entry(experiment="bag")], "cnn") == 3
    assert count_looks(seeds, "bag") == 0


def test_every_published_official_figure_is_in_the_committed_log() -> None:
    rows = [row for row in read_rows(PUBLISHED) if row.corpus == "imdb"]
    entries = read(PUBLISHED / "test_log.jsonl")
    assert rows and all(is_logged(entries, row) for row in rows)
    settings = {(entry.config_hash, entry.setting) for entry in entries}
    assert all((row.config_hash, setting_hash(row.config)) in settings for row in rows)
