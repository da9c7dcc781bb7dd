"""Offline W&B folder of a run, read by the W&B client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.records.run_files import read_row
from experiments.training import wandb_run
from tests.experiments.conftest import TOY, Command


def inspect(place: Path, *words: str) -> str:
    """Output of `wandb leet inspect --json` for a start, or for the last one in a run folder."""
    place = place / "wandb" if (place / "wandb").is_dir() else place
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *words]
    done = subprocess.run(
        [*command, str(place)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def records(place: Path, kind: str) -> list[dict[str, Any]]:
    """All records of one type, in the order of writing."""
    lines = [json.loads(line) for line in inspect(place).splitlines()]
    return [line[kind] for line in lines if line["type"] == kind]


@pytest.fixture(scope="module")
def bag(finished: Path) -> Path:
    return finished / "bag" / "seed-0"


def test_summary_has_the_rows_metrics_costs_and_a_clean_end(bag: Path) -> None:
    row = read_row(bag)
    assert row.val is not None and row.test is not None
    [end] = records(bag, "exit")
    assert end["exit_code"] == 0
    summary = json.loads(inspect(bag, "--summary"))["summary"]
    assert summary["test/accuracy"] == pytest.approx(row.test.accuracy)
    assert summary["chosen/val/log_loss"] == pytest.approx(row.val.log_loss)
    assert summary["val/log_loss"]["min"] == pytest.approx(row.val.log_loss, rel=1e-4)
    assert summary["parameters"] == row.parameters
    assert summary["train_seconds"] == pytest.approx(row.train_seconds)
    assert summary["checkpoint_bytes"] == row.checkpoint_bytes


def test_config_is_the_resolved_one_and_the_run_is_filed_as_promised(bag: Path) -> None:
    [run] = records(bag, "run")
    expected = yaml.safe_load((bag / "config.yaml").read_text())
    config = {key: value for key, value in run["config"]["update"].items() if key in expected}
    assert config == expected
    assert run["project"] == "lit-sentiment" and run["run_group"] == "b"
    assert run["job_type"] == "bag" and run["display_name"] == "bag-seed-0"
    assert run["tags"] == ["toy", "quick"]


def test_history_has_every_epoch_against_the_global_step(bag: Path) -> None:
    items = [record["item"] for record in records(bag, "history")]
    epochs = {item["epoch"]: item["val/accuracy"] for item in items if "val/accuracy" in item}
    rows = {epoch["epoch"]: epoch["val/accuracy"] for epoch in read_row(bag).history}
    assert epochs == pytest.approx(rows) and len(rows) == 2
    assert all("trainer/global_step" in item for item in items)
    metrics = records(bag, "metric")
    assert any(metric.get("step_metric") == "trainer/global_step" for metric in metrics)


def test_a_finished_run_is_one_run_with_a_stable_id(bag: Path) -> None:
    identity = (bag / wandb_run.ID_FILE).read_text()
    assert read_row(bag).wandb_run == identity
    assert len(list((bag / "wandb").glob("offline-run-*"))) == 1
    assert list((bag / "wandb").glob(f"offline-run-*-{identity}"))


def test_no_text_is_sent_unless_asked_for(bag: Path, lit: Command, tmp_path: Path) -> None:
    written = b"".join(f.read_bytes() for f in (bag / "wandb").rglob("*") if f.is_file())
    assert b"class0sign" not in written
    words = ["fit", "-c", "bag", "--profile", "smoke", "--runs", tmp_path, *TOY]
    # Hardly trained, so that there are mistakes to log.
    done = lit(*words, "--run.wandb_texts=true", "--model.learning_rate=1e-9")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "fit" / "bag" / "seed-0"
    tables = list((run / "wandb").rglob("*.table.json"))
    assert tables and "sign" in tables[0].read_text()


def test_a_server_out_of_reach_does_not_fail_the_run(lit: Command, tmp_path: Path) -> None:
    words = ["fit", "-c", "tfidf_logreg", "--profile", "smoke", "--runs", tmp_path, *TOY]
    done = lit(
        *words,
        WANDB_MODE="online",
        WANDB_API_KEY="0" * 40,
        WANDB_BASE_URL="http://127.0.0.1:9",
        WANDB_INIT_TIMEOUT="3",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "fit" / "tfidf_logreg" / "seed-0"
    assert read_row(run).status == "ok"
    assert list((run / "wandb").glob("offline-run-*"))


def test_disabled_leaves_nothing(lit: Command, tmp_path: Path) -> None:
    words = ["fit", "-c", "tfidf_logreg", "--profile", "smoke", "--runs", tmp_path, *TOY]
    assert lit(*words, WANDB_MODE="disabled").returncode == 0
    run = tmp_path / "fit" / "tfidf_logreg" / "seed-0"
    assert not (run / "wandb").exists() and read_row(run).wandb_run is None
