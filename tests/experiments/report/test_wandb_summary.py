"""The summary of a benchmark in W&B's offline folder, read back with the client's own reader."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.records.run_files import read_rows
from experiments.report.tables import build_tables
from tests.experiments.training.test_wandb_run import inspect, records
from tests.rows import make_row
from tests.synthetic import make_benchmark


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_benchmark(tmp_path_factory.mktemp("runs") / "made", 3, 2, 300, 60, step=0.3)
    (folder / "experiment_01" / "seed-0" / "model.ckpt").write_bytes(b"weights")
    return folder


def test_table_figures_and_report_are_one_run(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(made), "--wandb"]) == 0
    run_folder = Path(capsys.readouterr().out.split("W&B summary: ")[1].strip())
    assert run_folder.parent == made / "wandb"
    [run] = records(made, "run")
    assert run["job_type"] == "summary" and run["run_group"] == "made"
    assert run["tags"] == ["movie-reviews", "quick"]
    summary = json.loads(inspect(made, "--summary"))["summary"]
    assert summary["best_experiment"].startswith("experiment_02") and summary["experiments"] == 3
    best = max(row.test.accuracy for row in read_rows(made) if row.test)
    assert 0 < summary["best_test_accuracy"] <= 100 * best
    assert summary["accuracy against training time"]["_type"] == "plotly-file"
    [file] = run_folder.rglob("*.table.json")
    table = json.loads(file.read_text())
    column = table["columns"].index("experiment")
    assert sorted(row[column] for row in table["data"]) == [
        "experiment_00_with_a_long_name",
        "experiment_01",
        "experiment_02",
    ]
    assert {"low", "high", "group", "test_accuracy"} <= set(table["columns"])
    assert (made / "report.html").exists()


def test_validation_figures_alone_are_summarised() -> None:
    from experiments.report import wandb_summary

    (table,) = build_tables([make_row(test=None)])
    values = wandb_summary._summary_values(table, "")
    assert values["best_val_accuracy"] == pytest.approx(87.31)
    assert "best_test_accuracy" not in values
    assert len(wandb_summary._media(table)["table"].data) == 1


def test_predictions_and_checkpoints_go_along_on_request_alone(made: Path, tmp_path: Path) -> None:
    from experiments.report import wandb_summary

    predictions = wandb_summary._artifact(made, "made", "predictions")
    names = sorted(predictions.manifest.entries)
    assert len(names) == 3 * 2 * 2 and names[-1] == "experiment_02/seed-1/val_predictions.parquet"
    checkpoints = wandb_summary._artifact(made, "made", "checkpoints")
    assert "experiment_01/seed-0/model.ckpt" in checkpoints.manifest.entries
    copy = tmp_path / "made"
    shutil.copytree(made, copy, ignore=shutil.ignore_patterns("wandb*"))
    assert main(["report", str(copy), "--wandb", "predictions"]) == 0
    staged = b"".join(file.read_bytes() for file in (copy / "wandb").rglob("*.wandb"))
    assert b"made-predictions" in staged and b"made-checkpoints" not in staged
    assert b"made-report" in staged


def test_disabled_keeps_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "made"
    shutil.copytree(made, copy, ignore=shutil.ignore_patterns("wandb*"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["report", str(copy), "--wandb"]) == 0
    assert "W&B summary" not in capsys.readouterr().out and not (copy / "wandb").exists()


def test_a_benchmark_leaves_its_summary_and_epochs_their_best(finished: Path) -> None:
    assert len(list((finished / "wandb").glob("offline-run-*"))) == 1
    summary = json.loads(inspect(finished, "--summary"))["summary"]
    assert summary["experiments"] == 2
    messages = json.loads(inspect(finished / "bag" / "seed-0", "--summary"))["summary"]
    rows = {row.experiment: row for row in read_rows(finished)}
    history = rows["bag"].history
    losses = [epoch["val/log_loss"] for epoch in history if epoch["val/log_loss"] is not None]
    assert messages["val/log_loss"]["min"] == pytest.approx(min(losses))


def test_the_summary_of_a_corpus_without_a_test_file() -> None:
    from experiments.report import wandb_summary

    (table,) = build_tables([make_row(experiment="bag", test=None)])
    values = wandb_summary._summary_values(table, "")
    assert values["best_experiment"] == "bag" and "best_test_accuracy" not in values
    assert values["best_val_accuracy"] == pytest.approx(87.31)
