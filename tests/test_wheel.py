"""The wheel, in an environment of its own outside the checkout: what a `pip install` has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.warm import REPOSITORY

TOY = ["--data.train_size=60", "--data.validation_size=30", "--data.test_size=30"]
TOY += ["--trainer.max_epochs=1", "--run.wandb_mode=disabled"]


def run(*command: object, folder: Path) -> str:
    """Output of a command, in a folder outside the checkout and with no path to it."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow  # it builds a wheel and starts four interpreters: half a minute
def test_list_report_and_benchmark_work_from_an_installed_wheel(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = tmp_path / "source"  # a build leaves files in the folder that it builds
    for package in ("datamodules", "lit_models", "experiments"):
        shutil.copytree(REPOSITORY / package, source / package)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, source, folder=tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env", folder=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    [packages] = (tmp_path / "env").glob("lib/*/site-packages")
    run(*pip, "install", "--no-deps", "--target", packages, wheel, folder=tmp_path)
    # The dependencies are those of this environment, without its editable installs.
    (packages / "dependencies.pth").write_text(
        f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})\n"
    )
    where = "import experiments; print(experiments.__file__)"
    assert run(python, "-c", where, folder=tmp_path).startswith(str(packages))

    lit = [python, "-m", "experiments"]
    listed = run(*lit, "list", folder=tmp_path)
    assert "nb_bag" in listed and "minilm" in listed
    published = packages / "experiments" / "results"
    run(*lit, "report", published, "--out", tmp_path / "page", folder=tmp_path)
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    rows = (REPOSITORY / "experiments" / "results" / "imdb.jsonl").read_text().splitlines()
    [row] = [row for row in map(json.loads, rows) if row["experiment"] == "nb_logreg"]
    assert "nb_logreg" in page and f"{100 * row['test']['accuracy']:.2f}" in page
    shown = run(*lit, "benchmark", "bag", *TOY, folder=tmp_path)
    assert "bag" in shown and (tmp_path / "runs/quick/bag/seed-0/row.json").is_file()
