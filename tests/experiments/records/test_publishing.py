"""Publishing, and the published tables themselves."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import experiments
from experiments.config.registry import ConfigError
from experiments.records.groups import groups_file
from experiments.records.metrics import evaluate
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.publishing import (
    SUPERSEDED,
    publish,
    read_published_evidence,
    verify_published,
)
from experiments.records.row import ResultsError
from experiments.records.run_files import (
    TEST_FILE,
    read_row,
    read_rows,
    read_table,
    tables_in,
    write_row,
)
from tests.rows import make_predictions, make_row, make_run

PUBLISHED = Path(experiments.__path__[0]) / "results"


def test_publish_computes_metrics_from_what_it_stores(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "runs", seed, data=seed) for seed in (0, 1)]
    home = tmp_path / "published"
    rows = publish(runs, "imdb", home)
    assert read_rows(home) == rows == verify_published(home)
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*.*")) == [
        "imdb.groups.npz",
        "imdb.jsonl",
        "imdb/cnn-seed-0.npz",
        "imdb/cnn-seed-1.npz",
    ]
    for run, row in zip(runs, rows, strict=True):
        before = read_row(run)
        evidence = read_published_evidence(home, row)
        for part, found in evidence.parts.items():
            assert row.parts[part] == evaluate(found.labels, found.probabilities)
        assert before.test and row.test
        assert row.test.accuracy == before.test.accuracy
        assert row.test.log_loss != before.test.log_loss
        assert row.test.log_loss == pytest.approx(before.test.log_loss, abs=1e-4)
        assert row.history == before.history


def test_publishing_again_replaces_the_row(tmp_path: Path) -> None:
    home = tmp_path / "published"
    publish([make_run(tmp_path / "one", data=0), make_run(tmp_path / "one", 1)], "imdb", home)
    publish([make_run(tmp_path / "two", data=7, epochs=3)], "imdb", home)
    rows = verify_published(home)
    assert [(row.seed, row.epochs) for row in rows] == [(0, 3), (1, 5)]


def test_corpora_share_a_table_but_no_file(tmp_path: Path) -> None:
    home = tmp_path / "published"
    publish([make_run(tmp_path / "one")], "imdb", home)
    other = make_run(tmp_path / "two", data=3, corpus="IMDB / own")
    publish([other], "imdb", home)
    publish([other], "imdb", home)
    files = sorted(row.evidence.file for row in verify_published(home) if row.evidence)
    assert files == ["imdb/cnn-seed-0-quick-IMDB___own.npz", "imdb/cnn-seed-0.npz"]


def test_a_replaced_row_is_kept_with_its_evidence(tmp_path: Path) -> None:
    home = tmp_path / "published"
    [first] = publish([make_run(tmp_path / "one")], "imdb", home)
    refit = make_run(tmp_path / "two", data=3, protocol="refit")
    [second] = publish([refit], "imdb", home)
    publish([make_run(tmp_path / "three", data=5, protocol="refit")], "imdb", home)
    assert [path.name for path in (home / "imdb").iterdir()] == ["cnn-seed-0.npz"]
    assert len(verify_published(home)) == 1
    kept = verify_published(home / SUPERSEDED)
    assert len(kept) == len({row.evidence.file for row in kept if row.evidence}) == 2
    for before, row in zip((first, second), kept, strict=True):
        assert dataclasses.replace(row, evidence=None) == dataclasses.replace(before, evidence=None)
        assert before.evidence and row.evidence
        assert before.evidence.checksum == row.evidence.checksum


def test_a_run_that_is_published_again_replaces_nothing(tmp_path: Path) -> None:
    home = tmp_path / "published"
    runs = [make_run(tmp_path / "runs", seed, data=seed, protocol="refit") for seed in (0, 1)]
    rows = publish(runs, "imdb", home)
    files = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    assert publish(runs, "imdb", home) == rows
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == files


def test_both_fits_of_a_run_are_published(tmp_path: Path) -> None:
    [row] = publish([make_run(tmp_path / "one", protocol="refit")], "imdb", tmp_path / "published")
    assert row.test and row.test_refit and row.test != row.test_refit
    evidence = read_published_evidence(tmp_path / "published", row)
    assert evidence.parts.keys() == {"val", "test", "test_refit"}


def test_groups_are_published_once_for_all_rows(tmp_path: Path) -> None:
    home = tmp_path / "published"
    runs = [make_run(tmp_path / "runs", seed, data=seed, protocol="refit") for seed in (0, 1)]
    rows = publish(runs, "imdb", home)
    file = groups_file(home, "imdb")
    before = file.stat().st_mtime_ns
    for row in rows:
        for found in read_published_evidence(home, row).parts.values():
            assert found.groups is not None and (found.groups == found.ids // 3).all()
    publish(runs, "imdb", home)
    assert file.stat().st_mtime_ns == before
    # A run whose rows have other groups is of another corpus, whatever its fingerprint says.
    other = make_run(tmp_path / "other", 2)
    test = make_predictions()
    write_predictions(
        other / TEST_FILE, dataclasses.replace(test, groups=np.asarray(test.ids // 3 + 1))
    )
    with pytest.raises(ResultsError, match="row 0 of .*_test has group 0, the run says 1"):
        publish([other], "imdb", home)
    file.unlink()
    assert read_published_evidence(home, rows[0]).parts["test"].groups is None


def test_every_published_review_has_its_movie() -> None:
    for row in read_table(PUBLISHED / "imdb.jsonl"):
        for part, found in read_published_evidence(PUBLISHED, row).parts.items():
            assert found.groups is not None
            assert len(np.unique(found.groups)) == 3_581 or part == "val"


def test_no_machine_path_is_published(tmp_path: Path) -> None:
    run = make_run(
        tmp_path,
        wandb_run="/home/ada/runs/cnn/wandb/offline-run-1",
        notes=[
            "Read from '/data/ada/aclImdb.tar.xz' and C:\\Users\\ada\\more.csv.",
            "See https://ai.stanford.edu/~amaas/data/sentiment/ for and/or terms; 90/10 split.",
        ],
        hardware={"cpu": "Example CPU", "cache": ["~/.cache/lit/store", "file:///tmp/ada/x"]},
    )
    (row,) = publish([run], "imdb", tmp_path / "published")
    text = (tmp_path / "published" / "imdb.jsonl").read_text()
    assert "ada" not in text
    assert "/tmp" not in text
    assert row.wandb_run == "offline-run-1"
    assert row.notes == [
        "Read from 'aclImdb.tar.xz' and more.csv.",
        "See https://ai.stanford.edu/~amaas/data/sentiment/ for and/or terms; 90/10 split.",
    ]
    assert row.hardware == {"cpu": "Example CPU", "cache": ["store", "x"]}


def test_publish_refuses_what_it_cannot_prove(tmp_path: Path) -> None:
    home = tmp_path / "published"
    good = make_run(tmp_path / "good", seed=9)

    failed = tmp_path / "failed"
    write_row(failed, make_row(status="failed", reason="out of memory at 4 GiB"))
    untested = make_run(tmp_path / "untested")
    write_row(untested, dataclasses.replace(read_row(untested), test=None))
    incomplete = tmp_path / "incomplete"
    incomplete.mkdir()
    unproven = make_run(tmp_path / "unproven")
    (unproven / "predictions.parquet").unlink()
    foreign = make_run(tmp_path / "foreign")
    write_predictions(foreign / "val_predictions.parquet", make_predictions(40, seed=55))

    for run, message in (
        (failed, "the run failed .out of memory at 4 GiB.; only ok runs can be published"),
        (untested, f"no test metrics; run `lit-sentiment test {untested}`"),
        (incomplete, "a run without it is not complete"),
        (unproven, "predictions.parquet: no such file"),
        (foreign, r"val_predictions.parquet: \w+ is [\d.]+ and [\d.]+ .* different runs"),
        (good, "second run of cnn, seed 9"),
    ):
        with pytest.raises(ResultsError, match=message) as raised:
            publish([good, run], "imdb", home)
        assert str(run) in str(raised.value)
    with pytest.raises(ConfigError, match="table '../imdb' must be a plain folder name"):
        publish([good], "../imdb", home)
    with pytest.raises(ResultsError, match="0 runs were given"):
        publish([], "imdb", home)
    assert not home.exists()  # all runs are checked before anything is written


def test_verify_finds_what_was_changed(tmp_path: Path) -> None:
    home = tmp_path / "published"
    publish([make_run(tmp_path / "runs")], "imdb", home)
    table, evidence = home / "imdb.jsonl", home / "imdb" / "cnn-seed-0.npz"
    line = json.loads(table.read_text())

    better = line | {"test": line["test"] | {"accuracy": 0.99}}
    table.write_text(json.dumps(better) + "\n")
    with pytest.raises(ResultsError, match="cnn, seed 0: test accuracy is 0.99 and 0.") as raised:
        verify_published(home)
    assert str(table) in str(raised.value)

    outside = line | {"evidence": line["evidence"] | {"file": "../cnn-seed-0.npz"}}
    table.write_text(json.dumps(outside) + "\n")
    with pytest.raises(ResultsError, match="imdb.jsonl:1: evidence file is '../cnn-seed-0.npz'"):
        read_rows(home)

    table.write_text(json.dumps(line | {"evidence": None}) + "\n")
    with pytest.raises(ResultsError, match="cnn, seed 0 has no evidence"):
        verify_published(home)

    table.write_text(json.dumps(line) + "\n")
    assert len(verify_published(home)) == 1
    stray = evidence.with_name("lstm-seed-0.npz")
    stray.write_bytes(evidence.read_bytes())
    with pytest.raises(ResultsError, match=f"{stray}: no row of imdb.jsonl refers to it"):
        verify_published(home)
    stray.unlink()

    data = bytearray(evidence.read_bytes())
    data[len(data) // 2] ^= 1
    evidence.write_bytes(data)
    with pytest.raises(ResultsError, match=str(evidence)):
        verify_published(home)
    evidence.unlink()
    with pytest.raises(ResultsError, match=f"imdb.jsonl:1: evidence {evidence} is missing"):
        read_rows(home)


def test_nothing_published_verifies_as_nothing(tmp_path: Path) -> None:
    assert verify_published(tmp_path) == []


@pytest.mark.parametrize(
    "table",
    [*tables_in(PUBLISHED), *tables_in(PUBLISHED / SUPERSEDED)],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_committed_tables_follow_from_their_evidence(table: Path) -> None:
    rows = read_rows(table)
    assert rows
    home = table.parent
    verified = {(row.experiment, row.seed, row.config_hash) for row in verify_published(home)}
    for row in rows:
        assert (row.experiment, row.seed, row.config_hash) in verified
        assert row.evidence and row.tested
        assert (home / row.evidence.file).stat().st_size <= 200_000
        for part, found in read_published_evidence(home, row).parts.items():
            assert (metrics := row.parts[part]) and metrics.n == len(found.ids)
            if isinstance(found, Predictions):
                right = found.probabilities.argmax(axis=1) == found.labels
                assert row.classified(part).accuracy == right.mean()  # type: ignore[union-attr]
