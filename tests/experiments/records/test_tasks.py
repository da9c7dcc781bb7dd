"""Rows of unequal versions of a task are never mixed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from datamodules.errors import DataError
from experiments.config.registry import Registry
from experiments.launch.benchmark import Plan, pending
from experiments.records.publishing import publish
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, read_rows, read_table, write_row
from experiments.report import read_tables
from experiments.report.readme.write import write_readme
from experiments.statistics.comparison import compare
from experiments.statistics.table import analyse
from experiments.training import run as training
from experiments.training.spec import RunSpec
from experiments.training.testing import test_run as evaluate_on_test
from tests.rows import make_run
from tests.toys import ToyData

V1, V2, OWN = "imdb-v1", "imdb-v2", None


def two(folder: Path, *tasks: str | None) -> list[Path]:
    """Runs of `cnn` and `gru`, each of a task."""
    named = zip(("cnn", "gru"), tasks, strict=True)
    return [make_run(folder, data=3, experiment=name, task=task) for name, task in named]


@pytest.mark.parametrize("tasks", [(V1, V2), (V2, V1), (V1, OWN), (OWN, V1)])
def test_a_report_has_a_table_for_each(tasks: tuple[str | None, ...], tmp_path: Path) -> None:
    two(tmp_path, *tasks)
    tables, _ = read_tables(tmp_path)
    assert {table.task: [line.experiment for line in table.lines] for table in tables} == {
        tasks[0]: ["cnn"],
        tasks[1]: ["gru"],
    }
    with pytest.raises(ResultsError, match=f"for the tasks {tasks[0]} and {tasks[1]}, whose spl"):
        analyse(read_rows(tmp_path), tmp_path)


@pytest.mark.parametrize("tasks", [(V1, V2), (V2, V1), (V1, OWN)])
def test_two_benchmarks_are_compared_on_one_task(
    tasks: tuple[str | None, ...], tmp_path: Path
) -> None:
    for side, task in zip("ab", tasks, strict=True):
        make_run(tmp_path / side, task=task)
    with pytest.raises(ResultsError, match=f"for the tasks {tasks[0]} and {tasks[1]}, whose"):
        compare(tmp_path / "a", tmp_path / "b")
    make_run(tmp_path / "a", seed=1, task=tasks[1])  # a side that is mixed itself
    make_run(tmp_path / "b", seed=1, task=tasks[1])
    with pytest.raises(ResultsError, match="for the tasks"):
        compare(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("tasks", [(V1, V2), (V2, V1), (V1, OWN)])
def test_a_published_table_has_one_task(tasks: tuple[str | None, ...], tmp_path: Path) -> None:
    first, second = two(tmp_path / "runs", *tasks)
    published = tmp_path / "published"
    message = f"t.jsonl: cnn, seed 0 is of task {tasks[0]} and gru, seed 0 of task {tasks[1]}"
    with pytest.raises(ResultsError, match=message):
        publish([first, second], "t", published)
    assert not (published / "t.jsonl").exists()
    publish([first], "t", published)
    with pytest.raises(ResultsError, match=message):
        publish([second], "t", published)
    # The same run made anew replaces the one row that is there.
    write_row(first, dataclasses.replace(read_row(first), task=tasks[1]))
    publish([first, second], "t", published)
    assert {row.task for row in read_table(published / "t.jsonl")} == {tasks[1]}
    assert [row.task for row in read_table(published / "superseded" / "t.jsonl")] == [tasks[0]]


def test_the_selected_rows_of_a_readme_are_of_one_task(tmp_path: Path) -> None:
    publish(two(tmp_path / "runs", V1, V1), "t", tmp_path / "published")
    table = tmp_path / "published" / "t.jsonl"
    table.write_text(table.read_text().replace(V1, V2, 1))  # as no command does
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results:t:top -->\n<!-- /results:t:top -->\n")
    with pytest.raises(
        ResultsError, match=r"2 tasks, corpora or profiles \(imdb-v1, .*; imdb-v2, "
    ):
        write_readme(readme, tmp_path / "published", Registry())


def test_a_finished_run_of_another_version_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for done, nor tested by metrics that are not those of its row."""
    settings = {
        "model": {"class_path": "lit_models.naive_bayes.NaiveBayes"},
        "data": {
            "class_path": "tests.toys.ToyData",
            "init_args": {"rows": 60, "cache_dir": str(tmp_path / "cache")},
        },
        "run": {"wandb_mode": "disabled"},
    }
    folder = tmp_path / "b" / "naive_bayes" / "seed-0"
    spec = RunSpec("naive_bayes", "b", "smoke", 0, folder, settings, test=False)
    monkeypatch.setattr(ToyData, "task", V1)
    training.execute(spec)
    plan = Plan("b", tmp_path / "b", [spec])
    assert read_row(folder).task == V1 and pending(plan) == []
    monkeypatch.setattr(ToyData, "task", V2)
    assert pending(plan) == [spec]
    with pytest.raises(DataError, match=f"fitted for task {V1}, and this version evaluates {V2}"):
        evaluate_on_test(folder)
