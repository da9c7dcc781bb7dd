"""Faults around a run that lose no row: a killed W&B, old locks, clocks that differ."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from experiments.records.atomic import remove_leftovers
from experiments.records.run_files import read_row
from tests.experiments.conftest import REPOSITORY, TOY, Command
from tests.experiments.launch.test_local import SLEEPY


@pytest.mark.slow
def test_a_wandb_process_that_is_killed_costs_no_row(tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(SLEEPY)
    (tmp_path / "sleepy_a.yaml").write_text("# Sleepy.\nmodel: {class_path: sleepy.Sleepy}\n")
    words = ["fit", "-c", "sleepy_a", "--configs", str(tmp_path), "--runs", str(tmp_path), *TOY]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    folder, killed = tmp_path / "fit" / "sleepy_a" / "seed-0", 0
    end = time.monotonic() + 120
    while not (folder / "resume.ckpt").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    for child in psutil.Process(process.pid).children(recursive=True):
        if "wandb" in " ".join(child.cmdline()):
            child.kill()
            killed += 1
    output, _ = process.communicate(timeout=250)
    assert killed, "W&B had no process of its own"
    assert process.returncode == 0, output + (folder / "log.txt").read_text()
    row = read_row(folder)
    assert row.status == "ok" and len(row.history) == 2
    assert (folder / "log.txt").read_text().count("W&B is lost") == 1


def test_old_locks_and_clocks_that_are_ahead_change_nothing(
    finished: Path, lit: Command, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "b")
    (tmp_path / ".b.lock").touch()  # its holder was killed
    (tmp_path / "b" / ".results.jsonl.999.tmp").write_text("{")
    ahead = time.time() + 10 * 86_400
    for file in tmp_path.rglob("*"):
        os.utime(file, (ahead, ahead))
    shutil.rmtree(tmp_path / "b" / "bag")
    row = tmp_path / "b" / "tfidf_logreg" / "seed-0" / "row.json"
    words = ["bag", "tfidf_logreg", "--name", "b", "--runs", tmp_path, *TOY]
    done = lit("benchmark", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert row.stat().st_mtime == ahead, "a finished run was run again"
    assert read_row(tmp_path / "b" / "bag" / "seed-0").status == "ok"
    assert not list((tmp_path / "b").rglob(".*.tmp"))


def test_only_temporary_files_are_left_overs(tmp_path: Path) -> None:
    for name in (".row.json.7.tmp", ".resume.ckpt", ".b.lock", "resume.ckpt", "row.json"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {".b.lock", "resume.ckpt", "row.json"}
