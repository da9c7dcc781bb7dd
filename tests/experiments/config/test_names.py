"""Names that become files and folders: nothing is made outside the folder that the user gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.inference.robustness import _checksum, read_result
from experiments.records.plan import read_plan
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row
from tests.rows import make_run

BAD = [
    "..",
    ".",
    "a/b",
    "../up",
    "/tmp/x",
    "a\\b",
    "C:x",
    ".hidden",
    "-dash",
    "a\0b",
    "",
    "x" * 300,
]
TOY = ["--data=tests.toys.ToyData", "--run.wandb_mode=disabled", "--profile", "smoke"]
NAMED = [(command, name) for command in ("fit", "publish") for name in BAD]
# Without a name these two have one by themselves.
NAMED += [(command, name) for command in ("benchmark", "sweep") for name in BAD if name]


def entries(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(("command", "name"), NAMED)
def test_a_name_that_is_no_folder_name_is_refused_before_anything_is_made(
    command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "b")
    runs = [f"--name={name}", "--runs", str(tmp_path / "runs"), *TOY]
    words = {
        "fit": ["fit", "-c", "bag", *runs],
        "benchmark": ["benchmark", "bag", *runs],
        "sweep": ["sweep", "bag", *runs],
        "publish": ["publish", str(run), f"--table={name}", "--results", str(tmp_path / "out")],
    }
    before = entries(tmp_path)
    assert main(words[command]) == 1
    told = capsys.readouterr().err
    assert f"{name!r} must be a plain folder name" in told and "choose another" in told
    assert entries(tmp_path) == before


@pytest.mark.parametrize(
    "file", ["..yaml", "...yaml", "-c.yaml", ".hidden.yaml", f"{'x' * 200}.yaml"]
)
@pytest.mark.parametrize("command", ["fit", "sweep"])
def test_so_is_the_name_of_an_experiments_file(
    command: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "configs" / file
    place.parent.mkdir()
    place.write_text("model: {class_path: lit_models.bag.Bag}\n")
    words = {"fit": ["fit", "-c", str(place)], "sweep": ["sweep", str(place), "--name", "s"]}
    before = entries(tmp_path)
    assert main([*words[command], "--runs", str(tmp_path / "runs"), *TOY]) == 1
    assert "must be a plain folder name" in capsys.readouterr().err
    assert entries(tmp_path) == before


@pytest.mark.parametrize("name", ["..", "../../elsewhere", "/etc", "a\\b", "C:x", "a\0b", ""])
@pytest.mark.parametrize("field", ["experiment", "profile"])
def test_a_row_names_no_place_outside_its_benchmark(name: str, field: str, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    content = json.loads((run / "row.json").read_text()) | {field: name}
    (run / "row.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=rf"row.json: field '{field}' is .* part of a path"):
        read_row(run)


@pytest.mark.parametrize("name", ["..", "../../elsewhere", "/etc"])
def test_a_plan_names_none(name: str, tmp_path: Path) -> None:
    run = {"experiment": name, "seed": 0, "overrides": [], "configs": []}
    (tmp_path / "plan.json").write_text(json.dumps({"runs": [run]}))
    with pytest.raises(
        ResultsError, match=r"plan.json: not the plan of a benchmark .* part of a path"
    ):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "change", [{"seed": "0/../../../up"}, {"experiment": "../up"}, {"seed": None}]
)
def test_a_file_of_robustness_names_none(change: dict[str, Any], tmp_path: Path) -> None:
    run = {"experiment": "bag", "seed": 0} | change
    arrays = {"run": np.array(json.dumps(run)), "a_labels": np.zeros(1, np.uint8)}
    arrays["a_counts"] = np.zeros(1, "<u2")
    arrays["checksum"] = np.array(_checksum(arrays))
    np.savez(tmp_path / "robustness.npz", **arrays)
    with pytest.raises(ResultsError, match="not a valid robustness file"):
        read_result(tmp_path / "robustness.npz")


def test_names_with_spaces_of_finished_runs_are_read(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    shutil.move(run.parent, tmp_path / "my bag")
    file = tmp_path / "my bag" / "seed-0" / "row.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"experiment": "my bag"}))
    assert read_row(file).experiment == "my bag"
