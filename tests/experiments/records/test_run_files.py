"""Rows on disk: strict reading, collecting."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import experiments
from experiments.config.identity import config_hash
from experiments.config.track import track_of
from experiments.records.metrics import Metrics
from experiments.records.row import ResultsError, Row
from experiments.records.row_schema import LATER, LATER_METRICS, SINCE, row_from_dict, row_to_dict
from experiments.records.run_files import (
    collect,
    read_config,
    read_row,
    read_rows,
    write_row,
)
from tests.rows import make_metrics, make_row

PUBLISHED = Path(experiments.__path__[0]) / "results"


PUBLISHED_VECTORS = "datamodules.vectors.published.PretrainedGloVe"


def word2vec(text: str) -> dict[str, Any]:
    return {"class_path": "datamodules.vectors.word2vec.Word2Vec", "init_args": {"text": text}}


def test_the_schema_is_the_written_one() -> None:
    names = [field.name for field in dataclasses.fields(Row)]
    expected = """experiment architecture corpus corpus_fingerprint protocol profile seed status
        reason val test test_refit parameters trainable_parameters train_seconds vectors_seconds
        seconds_to_best epochs best_epoch
        train_tokens_per_second peak_memory_bytes peak_gpu_memory_bytes latency_ms_p50
        latency_ms_p95 reviews_per_second best_batch_size flops_per_review energy_joules
        checkpoint_bytes precision tuning git_commit git_dirty versions hardware started ended
        config_hash wandb_run notes history evidence excluded train_rows checksums config
        family task problem track deterministic threshold origin paper label_names schema"""
    assert names == expected.split()


def test_importing_results_does_not_import_torch() -> None:
    code = "import sys, experiments.records.run_files; print('torch' in sys.modules)"
    root = PUBLISHED.parents[1]
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"


@pytest.mark.parametrize(
    "row",
    [
        make_row(),
        make_row(test=None, seconds_to_best=None, git_commit=None, git_dirty=None),
        make_row(test=make_metrics(auroc=None)),
        make_row(status="failed", reason="out of memory", corpus_fingerprint=None),
        make_row(status="skipped", reason="no vectors"),
    ],
)
def test_round_trip(tmp_path: Path, row: Row) -> None:
    path = write_row(tmp_path, row)
    assert path == tmp_path / "row.json"
    assert read_row(tmp_path) == row
    assert [file.name for file in tmp_path.iterdir()] == ["row.json"]


def of_schema(row: dict[str, Any], schema: int) -> dict[str, Any]:
    """A row without the fields that came after a schema."""
    later = {name for since, fields in SINCE.items() if since > schema for name in fields}
    return {k: v for k, v in row.items() if k not in later} | {"schema": schema}


def test_a_row_of_schema_1_takes_its_settings_from_the_run_folder(tmp_path: Path) -> None:
    old = of_schema(json.loads(write_row(tmp_path, make_row()).read_text()), 1)
    (tmp_path / "row.json").write_text(json.dumps(old))
    alone = read_row(tmp_path)
    assert alone.config == {} and alone.schema == 3 and alone.settings_hash == alone.config_hash

    config = {"model": {"class_path": "lit_models.cnn.CNN", "init_args": {"filters": 7}}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    row = read_row(tmp_path)
    today = {"model": {"class_path": "lit_models.cnn.CNN", "init_args": {"num_filters": 7}}}
    assert row.config == config and row.config_hash == alone.config_hash
    assert row.settings_hash == config_hash(today) != alone.settings_hash
    assert read_config(tmp_path) == today


@pytest.mark.parametrize("protocol", ["holdout", "refit"])
@pytest.mark.parametrize("test", [make_metrics(), None])
def test_the_test_figures_of_an_older_refit_are_those_of_its_second_fit(
    tmp_path: Path, protocol: str, test: Metrics | None
) -> None:
    row = make_row(protocol=protocol, test=test, corpus="imdb")
    path = write_row(tmp_path, row)
    path.write_text(json.dumps(of_schema(json.loads(path.read_text()), 2)))
    found = read_row(tmp_path)
    assert found.task == "imdb-v1" and found.problem == "classification"
    parts = {"holdout": (test, None), "refit": (None, test)}[protocol]
    assert (found.test, found.test_refit) == parts and found.tested == (test is not None)
    assert read_row(write_row(tmp_path, found).parent) == found


@pytest.mark.parametrize(
    ("part", "settings", "track"),
    [
        ("model", {"dropout": 0.5}, "labels"),
        ("model", {"source": "bert-base-uncased"}, "open weights"),
        ("model", {"source": None}, "labels"),
        ("model", {"text": "train+unlabelled"}, "unlabelled"),
        ("model", {"elmo": "runs/fit/elmo/seed-0"}, "unlabelled"),
        ("model", {"language_model": "runs/fit/lstm_lm/seed-0"}, "unlabelled"),
        ("model", {"virtual_adversarial": 1.0}, "labels"),
        ("data", {"unlabelled_batch_size": 8}, "unlabelled"),
        ("data", {"teacher": "soft_labels.parquet"}, "unlabelled"),
        ("data", {"vectors": None}, "labels"),
        ("data", {"vectors": word2vec("train")}, "labels"),
        ("data", {"vectors": word2vec("train+unlabelled")}, "unlabelled"),
        ("data", {"vectors": {"class_path": PUBLISHED_VECTORS}}, "open weights"),
    ],
)
def test_the_track_says_what_was_learnt_from(part: str, settings: Any, track: str) -> None:
    assert track_of({part: {"class_path": "a.B", "init_args": settings}}) == track
    # A language model learns from texts without labels, and vectors of others stay those of others.
    by_all = track_of({part: {"class_path": "a.B", "init_args": settings}}, reads_unlabelled=True)
    assert by_all == ("unlabelled" if track == "labels" else track)


def test_a_diverged_epoch_becomes_null(tmp_path: Path) -> None:
    history = [{"epoch": 0, "train/loss": float("nan"), "val/log_loss": float("inf")}]
    write_row(tmp_path, make_row(history=history))
    assert "NaN" not in (tmp_path / "row.json").read_text()
    assert read_row(tmp_path).history == [{"epoch": 0, "train/loss": None, "val/log_loss": None}]


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="field 'train_seconds' is nan"):
        write_row(tmp_path, make_row(train_seconds=float("nan")))
    with pytest.raises(ResultsError, match="field 'seed' is '0'; it must be int"):
        write_row(tmp_path, make_row(seed="0"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_refit": make_metrics()}, "test_refit is given under protocol holdout"),
        ({"reason": "why"}, "cnn, seed 0: reason is 'why'"),
        ({"val": None}, "cnn, seed 0: val is None; an ok row must have it"),
        ({"parameters": None}, "parameters is None"),
        ({"status": "failed"}, "status is 'failed' without a reason"),
        ({"status": "failed", "reason": "x", "val": make_metrics()}, "metrics are given"),
    ],
)
def test_rows_do_not_contradict_themselves(changes: dict, message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        make_row(**changes)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda row: row | {"acuracy": 1}, "unknown field 'acuracy'. rows are written by"),
        (lambda row: row | {"val": row["val"] | {"x": 1}}, "unknown field 'val.x'"),
        (lambda row: {k: v for k, v in row.items() if k != "epochs"}, "missing field 'epochs'"),
        (lambda row: row | {"schema": 4}, "field 'schema' is 4; this program reads 1, 2, 3"),
        (lambda row: row | {"schema": 1}, "unknown field 'config' of schema 1"),
        (lambda row: row | {"schema": 2}, "unknown field 'deterministic' of schema 2"),
        (lambda row: {k: v for k, v in row.items() if k != "config"}, "missing field 'config'"),
        (lambda row: {k: v for k, v in row.items() if k != "schema"}, "field 'schema' is None"),
        (lambda row: row | {"seed": True}, "field 'seed' is True; it must be int"),
        (lambda row: row | {"status": "fine"}, "field 'status' is 'fine'"),
        (lambda row: row | {"val": 0.9}, "field 'val' is 0.9; it must be an object"),
        (lambda row: row | {"versions": {"torch": 2}}, r"field \"versions\['torch'\]\" is 2"),
        (lambda row: row | {"notes": "one"}, "field 'notes' is 'one'"),
        (lambda row: [row], "holds list; a row is an object"),
    ],
)
def test_strict_reading_names_file_and_field(tmp_path: Path, edit: Any, message: str) -> None:
    path = write_row(tmp_path, make_row())
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    with pytest.raises(ResultsError, match=message) as raised:
        read_row(tmp_path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        *(
            ("git_commit", value, "40 or 64 hex digits")
            for value in ("", "a" * 39, "g" * 40, "A" * 40)
        ),
        *(
            ("config_hash", value, "16 hex digits")
            for value in ("", "../x", "a" * 17, "a" * 15 + "\n")
        ),
        *(("corpus_fingerprint", value, "16 hex digits") for value in ("<b>", "F" * 16)),
        ("config_hash", None, "must be str"),
        ("protocol", "holdout ", r"must be typing.Literal\['holdout', 'refit', 'folds'\]"),
        ("profile", "../full", "one part of a path"),
    ],
)
def test_a_row_read_has_no_free_text_where_there_is_a_rule(
    tmp_path: Path, field: str, value: Any, rule: str
) -> None:
    path = write_row(tmp_path, make_row(git_commit="0" * 64))
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(ResultsError, match=f"row.json: field '{field}' is .*{rule}") as raised:
        read_row(tmp_path)
    assert repr(value) in str(raised.value)


def test_half_a_row_and_no_row(tmp_path: Path) -> None:
    path = write_row(tmp_path, make_row())
    path.write_text(path.read_text()[:100])
    with pytest.raises(ResultsError, match=f"{path}: not JSON"):
        read_row(tmp_path)
    path.unlink()
    with pytest.raises(ResultsError, match=f"{path}: no such file; a run without it is not comp"):
        read_row(tmp_path)


def test_read_rows_of_each_kind_of_folder(tmp_path: Path) -> None:
    quick = tmp_path / "runs" / "quick"
    for experiment, seed in (("lstm", 1), ("cnn", 2), ("cnn", 10)):
        folder = quick / experiment / f"seed-{seed}"
        write_row(folder, make_row(experiment=experiment, seed=seed))
    (quick / "bag" / "seed-0").mkdir(parents=True)  # still running: no row.json
    keys = [("cnn", 2), ("cnn", 10), ("lstm", 1)]
    assert [(row.experiment, row.seed) for row in read_rows(quick)] == keys
    assert [row.seed for row in read_rows(quick / "lstm" / "seed-1")] == [1]
    assert collect(quick) == read_rows(quick)
    assert read_rows(quick / "results.jsonl") == read_rows(quick)
    # The row files are the truth, not the file derived from them.
    write_row(quick / "lstm" / "seed-1", make_row(experiment="lstm", seed=1, epochs=9))
    assert read_rows(quick)[2].epochs == 9
    with pytest.raises(
        ResultsError, match=f"no finished runs here.*one of its benchmarks: {quick}"
    ):
        read_rows(tmp_path / "runs")
    with pytest.raises(ResultsError, match=f"{tmp_path / 'none'}: no finished runs here"):
        read_rows(tmp_path / "none")


def test_a_row_from_before_a_field_came_reads_with_its_default() -> None:
    data = row_to_dict(make_row())
    for name in LATER:
        del data[name]
    for name in LATER_METRICS:
        del data["val"][name], data["test"][name]
    assert row_from_dict(data, "old.jsonl") == make_row()
    del data["epochs"]
    with pytest.raises(ResultsError, match="missing field 'epochs'"):
        row_from_dict(data, "old.jsonl")
