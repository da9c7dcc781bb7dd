"""Benchmarks in part done, rows without or against their predictions, and a large one."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.records.plan import PlannedRun, add_to_plan
from experiments.records.publishing import publish, verify_published
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, read_rows, write_row, write_table
from experiments.report import read_tables, report
from experiments.report.columns import QUALITY
from experiments.report.missing import missing_runs
from experiments.statistics.comparison import compare
from tests.experiments.report.test_evidence import quiet
from tests.rows import make_row, make_run
from tests.synthetic import make_benchmark


def planned(*names: str) -> list[PlannedRun]:
    return [PlannedRun(name, seed, (), ()) for name in names for seed in (0, 1)]


def test_a_killed_benchmark_says_what_is_there_and_what_is_missing(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = tmp_path / "killed"
    name = "experiment_01"
    shutil.copytree(made / name, killed / name)
    failed = make_row(experiment="lstm", status="failed", reason="out of memory")
    write_row(killed / "lstm" / "seed-0", failed)
    for begun, file in (("lstm", "log.txt"), ("cnn", "resume.ckpt")):
        (killed / begun / "seed-1").mkdir(parents=True)
        (killed / begun / "seed-1" / file).write_text("")
    add_to_plan(killed, planned(name, "cnn"))
    add_to_plan(killed, planned("bag"))  # a later start with more runs
    assert main(["report", str(killed)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "lstm, seed 0: failed: out of memory" in out and "5 runs are missing:" in out
    states = {(m.experiment, m.seed): m.state for m in missing_runs(killed, read_rows(killed))}
    assert list(states) == [("cnn", 0), ("cnn", 1), ("bag", 0), ("bag", 1), ("lstm", 1)]
    assert states["bag", 0] == "not started" and "the same command resumes it" in states["cnn", 1]
    assert states["lstm", 1].startswith("under way or killed; no checkpoint")
    for file in ("report.md", "report.html"):
        text = (killed / file).read_text()
        assert all(state in text for state in states.values()) and "5 runs are missing" in text
        assert "out of memory" in text


def test_a_benchmark_of_which_nothing_is_done_has_a_report_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_to_plan(tmp_path, planned("cnn"))
    assert main(["report", str(tmp_path)]) == 0
    assert "cnn, seed 1: not started" in capsys.readouterr().out
    (tmp_path / "plan.json").write_text(json.dumps({"runs": [{"experiment": "cnn"}]}))
    assert main(["report", str(tmp_path)]) == 1
    assert "plan.json: not the plan of a benchmark ('seed')" in capsys.readouterr().err


def test_runs_without_predictions_are_left_out_and_named(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "made"
    shutil.copytree(made, copy)
    (copy / "experiment_02" / "seed-1" / "val_predictions.parquet").unlink()
    [table], _ = read_tables(copy)
    assert table.analysis and table.analysis.seeds["experiment_02"] == (0,)
    assert (
        "Unverified and not shown, because their predictions are missing: experiment_02, seed 1."
        in table.notes
    )
    # What was changed is left out alike, and named with its file.
    shutil.copy(
        copy / "experiment_01" / "seed-0" / "predictions.parquet",
        copy / "experiment_01" / "seed-1" / "predictions.parquet",
    )
    [table], _ = read_tables(copy)
    assert table.analysis and table.analysis.seeds["experiment_01"] == (0,)
    [note] = [note for note in table.notes if "experiment_01" in note]
    assert note.startswith(
        "Unverified and not shown: experiment_01/seed-1/predictions.parquet: its checksum is "
    )
    with pytest.raises(ResultsError, match=r"experiment_01/seed-1/predictions.parquet: its check"):
        compare(copy, made)


def test_figures_that_nothing_bears_out_are_unverified_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row says 99.99%, and its predictions are gone."""
    run = make_run(tmp_path / "b")
    row = read_row(run)
    assert row.test is not None and row.val is not None
    better = {
        part: dataclasses.replace(getattr(row, part), accuracy=0.9999, f1=0.9998)
        for part in ("val", "test")
    }
    write_row(run, dataclasses.replace(row, checksums={}, **better))
    for file in run.glob("*predictions.parquet"):
        file.unlink()
    assert main(["report", str(tmp_path / "b")]) == 0
    shown = capsys.readouterr().out
    pages = [(tmp_path / "b" / name).read_text() for name in ("report.md", "report.html")]
    for text in (shown, *pages):
        assert "99.99" not in text and "99.98" not in text and "0.9999" not in text
        assert "Unverified" in text and "cnn, seed 0" in text


@pytest.mark.parametrize(
    ("part", "name"),
    [
        pytest.param(
            *(part, name),
            # Each part and each figure is fast once.
            marks=[] if part == "test" or name in ("accuracy", "ece") else pytest.mark.slow,
        )
        for part in ("val", "test", "test_refit")
        for name in ("accuracy", "f1", "auroc", "log_loss", "ece", "n")
    ],
)
def test_figures_that_predictions_do_not_give_are_unverified_and_not_shown(
    part: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has the other rows as usual, and says which file does not bear out which row."""
    folder = tmp_path / "b"
    run = make_run(folder, data=3, experiment="gru", protocol="refit")
    make_run(folder, experiment="cnn", protocol="refit")
    row = read_row(run)
    value: float = 432 if name == "n" else 0.4321
    better = dataclasses.replace(getattr(row, part), **{name: value})
    write_row(run, dataclasses.replace(row, **{part: better}))
    assert main(["report", str(folder)]) == 0
    shown = capsys.readouterr().out
    [table], _ = read_tables(folder)
    lines = {line.experiment: line for line in table.lines}
    shown_quality = QUALITY & lines["gru"].values.keys()  # a tested table has none of validation
    assert {"f1", "auroc", "log_loss", "ece", "val_accuracy"} <= shown_quality
    assert all(lines["gru"].values[key] is None for key in shown_quality)
    assert not lines["gru"].intervals
    assert lines["gru"].unverified == (0,) and lines["gru"].values["train_seconds"]
    assert all(lines["cnn"].values[key] for key in shown_quality) and lines["cnn"].interval
    place = "refit/" if part == "test_refit" else "val_" if part == "val" else ""
    file = f"gru/seed-0/{place}predictions.parquet"
    for text in (shown, *((folder / f"report.{kind}").read_text() for kind in ("md", "html"))):
        words = " ".join(text.replace("\\", "").split())
        assert f"Unverified and not shown: {file}: " in words
        assert f"{folder}/gru" not in words
    with pytest.raises(ResultsError, match=file):
        publish([run], "t", tmp_path / "published")
    with pytest.raises(ResultsError, match=file):
        compare(folder, folder)


def test_a_published_row_that_its_evidence_does_not_give_is_unverified(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "b", data=at, experiment=name) for at, name in enumerate("ab")]
    published = tmp_path / "published"
    publish(runs, "t", published)
    rows = read_rows(published)
    assert rows[0].test
    better = dataclasses.replace(rows[0].test, accuracy=0.9999)
    write_table(published / "t.jsonl", [dataclasses.replace(rows[0], test=better), rows[1]])
    [table], _ = read_tables(published)
    assert {line.experiment: line.unverified for line in table.lines} == {"a": (0,), "b": ()}
    [note] = [note for note in table.notes if note.startswith("Unverified")]
    assert note.startswith("Unverified and not shown: t/a-seed-0.npz: test accuracy is 0.9999 and")
    with pytest.raises(ResultsError, match="test accuracy is 0.9999"):
        verify_published(published)


@pytest.mark.slow
def test_twenty_experiments_of_three_seeds_build_in_time_and_stay_small(tmp_path: Path) -> None:
    folder = make_benchmark(tmp_path / "large")
    before = time.process_time()
    page = report(folder, console=quiet()).html
    # Of this process alone: what others do on the machine is not the report's.
    assert time.process_time() - before < 20
    assert page.stat().st_size < 8 * 2**20
