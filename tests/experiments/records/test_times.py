"""Times that were measured apart, in place of a row's own; one fit in every figure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from experiments.config.identity import setting_hash
from experiments.records.row import ResultsError, Row
from experiments.records.times import TIMED, Times, add_times, keep_times, read_times, times_file
from experiments.report.facts import warnings
from experiments.report.tables import build_tables
from tests.rows import make_metrics, make_row


def config(name: str, **run: Any) -> dict[str, Any]:
    return {"model": {"class_path": f"lit_models.{name}"}, "run": run}


def make_times(name: str, **changes: Any) -> Times:
    values = {
        "experiment": name,
        "setting": setting_hash(config(name)),
        "corpus_fingerprint": "0123456789abcdef",
        "prepare_seconds": 2.0,
        "vectors_seconds": None,
        "seconds_per_epoch": 3.0,
        "measured_epochs": 0.5,
        "peak_memory_bytes": 2**30,
        "latency_ms_p50": 0.5,
        "latency_ms_p95": 0.75,
        "reviews_per_second": 1000.0,
        "best_batch_size": 32,
        "precision": "32-true",
        "hardware": {"cpu": "Quiet CPU", "cores": 2, "threads": 1, "others_busy": 0.25},
        "versions": {"torch": "2.13.0"},
        "git_commit": "b" * 40,
        "git_dirty": False,
        "started": "2026-04-01T10:00:00+00:00",
        "ended": "2026-04-01T10:10:00+00:00",
    }
    return Times(**(values | changes))


def rows_of(name: str, *seeds: int, **changes: Any) -> list[Row]:
    protocol = changes.get("protocol", "holdout")
    return [
        make_row(experiment=name, seed=s, config=config(name, protocol=protocol), **changes)
        for s in seeds
    ]


def test_a_file_keeps_one_measurement_of_a_setting(tmp_path: Path) -> None:
    file = times_file(tmp_path / "imdb.jsonl")
    assert file.name == "imdb.times.json" and read_times(file) == []
    other = make_times("bag", setting="f" * 16)
    for times in (make_times("cnn"), other, make_times("cnn", prepare_seconds=9.0)):
        keep_times(file, times)
    assert read_times(file) == [other, make_times("cnn", prepare_seconds=9.0)]


@pytest.mark.parametrize("content", ["{", "{}", "[{}]", '[{"a": 1}]', "[3]"])
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    if content == "{}":
        content = json.dumps([dataclasses.asdict(make_times("cnn")) | {"prepare_seconds": "2"}])
    file = tmp_path / "imdb.times.json"
    file.write_text(content)
    with pytest.raises(ResultsError, match=r"imdb\.times\.json: not a file of times"):
        add_times([make_row()], tmp_path)


def test_times_of_every_seed_and_protocol_are_those_of_its_own_epochs(tmp_path: Path) -> None:
    keep_times(tmp_path / "imdb.times.json", make_times("cnn", vectors_seconds=7.0))
    fitted_twice = {"protocol": "refit", "test_refit": make_metrics()}
    rows = rows_of("cnn", 0, epochs=4, best_epoch=1, train_seconds=500.0, **fitted_twice)
    rows += rows_of("cnn", 1, epochs=6, best_epoch=None)
    rows += rows_of("bag", 0, train_seconds=50.0, vectors_seconds=10.0, **fitted_twice)
    (table := tmp_path / "imdb.jsonl").touch()
    first, second, bag = add_times(rows, table)
    assert (first.fit_seconds, first.train_seconds, first.seconds_to_best) == (14.0, 28.0, 8.0)
    assert (first.fit_vectors_seconds, first.vectors_seconds) == (7.0, 14.0)
    assert (second.fit_seconds, second.train_seconds, second.seconds_to_best) == (20, 20, 20)
    assert (first.latency_ms_p50, first.reviews_per_second, first.best_batch_size) == (0.5, 1e3, 32)
    assert first.peak_memory_bytes == 2**30 and first.hardware[TIMED] == "2026-04-01"
    assert first.test == rows[0].test and first.config_hash == rows[0].config_hash
    assert (bag.fit_seconds, bag.fit_vectors_seconds, bag.hardware[TIMED]) == (25.0, 5.0, None)


def test_a_table_says_which_times_were_measured_apart(tmp_path: Path) -> None:
    keep_times(tmp_path / "imdb.times.json", make_times("cnn"))
    rows = [*rows_of("cnn", 0, epochs=4), *rows_of("bag", 0), make_row(experiment="gone")]
    rows += rows_of("cnn", 3, profile="other")  # of another table, but of the same setting
    rows += rows_of("mlp", 3, profile="third")  # of a table without such times
    shown = add_times(rows, tmp_path)
    third, *others = [build_tables(shown)[at] for at in (2, 0, 1)]
    assert not [note for note in third.notes if "‡" in note] and TIMED not in shown[-1].hardware
    [note] = [note for note in warnings(shown[:3]) if "‡" in note]
    assert "beside which others may have run: bag, gone." in note
    [busy] = [note for note in warnings(shown[:3]) if note.startswith("Other processes")]
    assert "cnn (25%)" in busy
    values = {line.experiment: line.values["train_seconds"] for one in others for line in one.lines}
    assert values["cnn"] and values["bag"] and values["bag"].mean == 41.25


@pytest.mark.parametrize(
    "changes",
    [{"corpus_fingerprint": "f" * 16}, {"setting": "f" * 16}],
)
def test_times_of_another_corpus_or_setting_are_not_shown(
    changes: dict[str, str], tmp_path: Path
) -> None:
    keep_times(tmp_path / "imdb.times.json", make_times("cnn", **changes))
    rows = rows_of("cnn", 0)
    assert add_times(rows, tmp_path) == rows


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 60.0),
        ({"protocol": "refit"}, 30.0),
        ({"protocol": "folds", "test": None, "config": {"run": {"folds": 5}}}, 12.0),
    ],
)
def test_training_time_is_that_of_one_fit(changes: dict[str, Any], seconds: float) -> None:
    row = make_row(train_seconds=60.0, vectors_seconds=60.0, **changes)
    assert (row.fit_seconds, row.fit_vectors_seconds) == (seconds, seconds)
    [table] = build_tables([row])
    for key in ("train_seconds", "vectors_seconds"):
        assert (shown := table.lines[0].values[key]) and shown.mean == seconds
