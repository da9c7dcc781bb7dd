"""A benchmark that goes on in a stranger's folder imports nothing from it, in any process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.records.run_files import read_row
from tests.experiments.training.test_ranks import TWO
from tests.warm import REPOSITORY

pytestmark = pytest.mark.slow
# Each writes its name when it is imported.
PLANTED = (
    "import os\nwith open(os.environ['MARKER'], 'a') as file:\n    print(__name__, file=file)\n"
)
MODULES = ("socket", "torch", "yaml", "numpy", "lightning")
SCRIPT = Path(sys.executable).with_name("lit-sentiment")
START = {"script": [str(SCRIPT)], "module": [sys.executable, "-m", "experiments"]}


@pytest.mark.parametrize(("program", "devices"), [("module", []), ("script", TWO)])
def test_a_second_start_runs_nothing_of_the_folder(
    program: str, devices: list[str], tmp_path: Path
) -> None:
    if program == "script" and not SCRIPT.is_file():
        pytest.skip(f"{SCRIPT} is not installed")
    folder, marker = tmp_path / "strangers", tmp_path / "marker"
    folder.mkdir()

    def benchmark(experiment: str, *words: str) -> None:
        given = ["--profile", "smoke", "--runs", ".", "--name", "b", "--run.wandb_mode=disabled"]
        done = subprocess.run(
            [*START[program], "benchmark", experiment, *given, *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "MARKER": str(marker)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert read_row(folder / "b" / experiment / "seed-0").status == "ok"

    benchmark("tfidf_logreg")
    for place in (folder, folder / "b", folder / "b" / "bag" / "seed-0"):
        place.mkdir(parents=True, exist_ok=True)
        for name in MODULES:
            (place / f"{name}.py").write_text(PLANTED)
    benchmark("bag", *devices)
    assert not marker.exists(), marker.read_text()
