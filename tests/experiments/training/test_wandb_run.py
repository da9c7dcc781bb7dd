"""Offline W&B folder of a run, read by the W&B client."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import wandb
import yaml

from experiments.cli.main import main
from experiments.records.run_files import read_row
from experiments.training import wandb_run
from tests.experiments.conftest import TOY, Command

COSTS = ("parameters", "train_seconds", "checkpoint_bytes", "latency_ms_p50", "best_epoch")


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
        WANDB_INIT_TIMEOUT="1",
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


def options(folder: Path, **changed: Any) -> dict[str, Any]:
    """Arguments of `wandb_run.start` for a run in a folder."""
    config = {"run": changed.pop("run", {}), "model": changed.pop("model", {})}
    settings = {"wandb_mode": "offline", "wandb_project": None, "wandb_entity": None}
    run = SimpleNamespace(**settings | config["run"])
    folder.mkdir(parents=True, exist_ok=True)
    resolved = SimpleNamespace(run=run, seed=0, config=config)
    named = {"experiment": "bag", "benchmark": "b", "tags": ["toy", "quick"]}
    return {"resolved": resolved, "folder": folder, **named, **changed}


LONG = "a" * 300
NAMES: dict[str, dict[str, Any]] = {
    "tags": {
        "tags": [
            "x" * 73,
            "",
            "données/тест,a b",
            "\udcff",
            "a" * 70 + "b",
            "a" * 70 + "c",
            "quick",
        ]
    },
    "long experiment": {"experiment": LONG},
    "long benchmark": {"benchmark": LONG},
    "config": {"model": {"day": date(2026, 1, 1), "nan": math.nan, "at": object(), "b": b"x"}},
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_wandb_refuses_are_shortened(case: str, tmp_path: Path) -> None:
    logger = wandb_run.start(**options(tmp_path / "run", **NAMES[case]))
    assert logger is not None
    logger.log_metrics({"val/accuracy": 0.5}, 1)
    wandb_run.finish(logger, 0)
    [run] = records(tmp_path / "run", "run")
    assert all(1 <= len(tag) <= 64 for tag in run["tags"])
    assert len(run["tags"]) == (5 if case == "tags" else 2)


def refuse(*words: Any, **named: Any) -> Any:
    raise ValueError("made to fail")


def unwritable(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "wandb").write_text("a file where the folder is to be")
    (folder / wandb_run.ID_FILE).mkdir()


BROKEN: dict[str, Any] = {
    "init": lambda patch, folder: patch.setattr("wandb.init", refuse),
    "settings": lambda patch, folder: patch.setattr("wandb.Settings", refuse),
    "hooks": lambda patch, folder: patch.setattr(
        wandb_run, "unregister_all_post_import_hooks", refuse
    ),
    "define_metric": lambda patch, folder: patch.setattr("wandb.Run.define_metric", refuse),
    "logger": lambda patch, folder: patch.setattr(wandb_run, "SafeLogger", refuse),
    "folder": lambda patch, folder: unwritable(folder),
    "disk": lambda patch, folder: patch.setattr(wandb_run, "replace_bytes", refuse),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_start_that_fails_is_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_run, "_failed", False)
    given = options(tmp_path / "other" if case == "folder" else tmp_path / "run")
    given["folder"] = tmp_path / "run"
    BROKEN[case](monkeypatch, tmp_path / "run")
    assert wandb_run.start(**given) is None
    wandb_run.finish(None, 0)
    assert capsys.readouterr().err.count("W&B is lost") == 1


@pytest.mark.parametrize("project", ["a/b", "what?", "x" * 129, "a:b"])
def test_a_project_of_no_possible_name_is_one_line(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(wandb_run, "_failed", False)
    given = options(tmp_path / "run", run={"wandb_project": project})
    assert wandb_run.start(**given) is None
    assert "W&B is lost" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["log", "finish", "summary", "config", "id", "name", "dir"])
def test_a_run_goes_on_whatever_wandb_raises(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = wandb_run.start(**options(tmp_path / "run"))
    assert logger is not None
    fails = property(refuse) if method in ("summary", "config", "id", "name", "dir") else refuse
    monkeypatch.setattr(wandb.Run, method, fails, raising=False)
    second = wandb_run.refit_logger(logger, tmp_path / "run")
    for one in (logger, second):
        assert one is not None
        one.log_metrics({"val/accuracy": 0.5}, 1)
        one.log_hyperparams({"a": 1})
        one.log_graph(torch.nn.Linear(1, 1))
        one.save()
        assert one.save_dir == str(tmp_path / "run") and one.name and one.version is None
        one.finalize("success")
    row: Any = SimpleNamespace(**dict.fromkeys(COSTS, 1))
    wandb_run.summarise(logger, row, {"val/accuracy": 0.5})
    wandb_run.log_mistakes(logger, None, None, None)  # type: ignore[arg-type]  # as unfit as can be
    wandb_run.finish(logger, 0)


@pytest.mark.parametrize("method", ["log", "log_artifact", "finish", "dir", "summary"])
def test_a_benchmark_goes_on_without_its_summary(
    method: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shutil.copytree(finished, tmp_path / "b", ignore=shutil.ignore_patterns("wandb"))
    fails = property(refuse) if method in ("dir", "summary") else refuse
    monkeypatch.setattr(wandb.Run, method, fails, raising=False)
    assert main(["report", str(tmp_path / "b"), "--wandb"]) == 0
    assert "the report is complete" in capsys.readouterr().err
