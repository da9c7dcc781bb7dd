"""Files of a run that were changed, lost or swapped: found when they are read."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from datamodules import console
from experiments.cli.main import main
from experiments.records.run_files import checksums, read_row, write_row
from tests.warm import REPOSITORY

OLD = REPOSITORY / "tests" / "old_runs" / "runs" / "old"
NETWORK = ["config.yaml", "encoder.json", "tokenizer.json", "model.ckpt"]
ESTIMATOR = ["config.yaml", "encoder.json", "tokenizer.json", "arrays.safetensors", "model.skops"]
PREDICTIONS = ["predictions.parquet", "val_predictions.parquet"]


def listed(name: str, folder: Path) -> Path:
    """A finished run with the list of its files that a run has today."""
    run = folder / name / "seed-0"
    shutil.copytree(OLD / name / "seed-0", run)
    write_row(run, dataclasses.replace(read_row(run), checksums=checksums(run)))
    return run


@pytest.mark.parametrize(
    ("name", "files"), [("bag", NETWORK + PREDICTIONS), ("tfidf_logreg", ESTIMATOR + PREDICTIONS)]
)
def test_every_file_that_matters_is_listed(name: str, files: list[str], tmp_path: Path) -> None:
    assert set(read_row(listed(name, tmp_path)).checksums) == set(files)


@pytest.mark.parametrize("change", ["changed", "missing", "swapped"])
@pytest.mark.parametrize(
    ("name", "file"),
    [*(("bag", file) for file in NETWORK), *(("tfidf_logreg", file) for file in ESTIMATOR)],
)
def test_a_file_that_is_not_the_runs_is_refused_by_name(
    name: str, file: str, change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = listed(name, tmp_path)
    if change == "missing":
        (run / file).unlink()
    elif change == "changed":
        (run / file).write_bytes((run / file).read_bytes() + b"\n")
    else:
        (run / file).write_bytes((run / PREDICTIONS[0]).read_bytes())
    row = read_row(run / "row.json")
    untested = dataclasses.replace(row, test=None)
    for words in (["predict", str(run), "x"], ["vectors", "neighbours", str(run), "film"]):
        assert main(words) == 1
        assert f"error: {run / file}: " in capsys.readouterr().err
    if file != "config.yaml":  # of which a row of schema 1 is a part
        write_row(run, untested)
        assert main(["test", str(run)]) == 1
        assert f"error: {run / file}: " in capsys.readouterr().err


@pytest.mark.parametrize("checked", [{}, {"predictions.parquet": "0" * 64}])
def test_an_older_run_is_read_and_one_line_says_unverified(
    checked: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    monkeypatch.setattr(console, "_said", {})
    run = listed("bag", tmp_path)
    if checked:
        checked = {name: checksums(run)[name] for name in checked}
    write_row(run, dataclasses.replace(read_row(run), checksums=checked))
    assert main(["predict", str(run), "x"]) == 0
    assert main(["predict", str(run), "x"]) == 0
    assert capsys.readouterr().err.count("unverified") == 1


def test_a_model_of_another_number_of_classes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "seed-0"
    shutil.copytree(OLD / "bag" / "seed-0", run)
    file = run / "encoder.json"
    content = json.loads(file.read_text())
    for labels in (["a", "b", "c"], ["a"]):
        file.write_text(json.dumps(content | {"label_names": labels}))
        assert main(["predict", str(run), "x"]) == 1
        told = capsys.readouterr().err
        assert f"{run}: its model has 2 classes and its encoder {len(labels)} labels" in told
