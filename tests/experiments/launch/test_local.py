"""Several runs at once on one machine: equal to runs in sequence, and none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from experiments.config.registry import ConfigError
from experiments.launch.local import LocalLauncher
from experiments.machine.resources import Share, outside_allocation, split_resources
from experiments.records.row import Row
from experiments.records.run_files import read_row
from tests import warm
from tests.experiments.conftest import REPOSITORY, TOY, Command
from tests.warm import ForkServer

SLEEPY = """
import time
from lit_models.bag import Bag

class Sleepy(Bag):
    \"\"\"A bag that waits in every step.\"\"\"
    def training_step(self, batch, batch_idx):
        time.sleep(0.3)
        return super().training_step(batch, batch_idx)
"""
ALLOCATION = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "0",
    "SLURM_JOB_NAME": "batch",
    "WORLD_SIZE": "4",
    "RANK": "1",
}


@pytest.fixture
def sleepy(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "sleepy.py").write_text(SLEEPY)
    for name in ("sleepy_a", "sleepy_b"):
        (folder / f"{name}.yaml").write_text("# Sleepy.\nmodel: {class_path: sleepy.Sleepy}\n")
    return folder


@pytest.fixture
def at_once(sleepy: Path, tmp_path: Path) -> list[str]:
    """The command for the two sleepy experiments and `tfidf_logreg`, two at once."""
    words = ["benchmark", "sleepy_a", "sleepy_b", "tfidf_logreg", "--configs", str(sleepy)]
    return [*words, "--runs", str(tmp_path), "--name", "b", "--jobs", "2", *TOY]


def wait_for(
    files: list[Path], process: subprocess.Popen[str] | warm.Command, seconds: float = 200
) -> None:
    end = time.monotonic() + seconds
    while not all(file.exists() for file in files):
        assert process.poll() is None
        assert time.monotonic() < end, f"{files} did not appear"
        time.sleep(0.05)


def children_in(folder: Path) -> list[psutil.Process]:
    """Processes whose output goes to the log of a run."""
    children = []
    for process in psutil.process_iter():
        try:
            target = os.readlink(f"/proc/{process.pid}/fd/1")
        except OSError:
            continue
        if target == str(folder / "log.txt") and "wandb" not in process.name():
            children.append(process)
    return children


def result(row: Row) -> tuple:
    """Values that two runs of one configuration must share."""
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in row.history]
    return row.val, row.test, row.best_epoch, row.parameters, row.config_hash, history


@pytest.mark.slow
def test_runs_at_once_give_what_one_after_the_other_gives_inside_an_allocation_too(
    finished: Path, cold_lit: Command, tmp_path: Path
) -> None:
    words = ["benchmark", "bag", "tfidf_logreg", "--name", "b", "--runs", tmp_path, "--jobs", 2]
    done = cold_lit(*words, *TOY, **ALLOCATION)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = []
    for name in ("bag", "tfidf_logreg"):
        single, parallel = finished / name / "seed-0", tmp_path / "b" / name / "seed-0"
        rows.append(read_row(parallel))
        assert result(rows[-1]) == result(read_row(single))
        assert "jobs" not in read_row(single).hardware and rows[-1].hardware["jobs"] == 2
        for file in ("predictions.parquet", "val_predictions.parquet"):
            assert pq.read_table(single / file).equals(pq.read_table(parallel / file))
    first, second = rows
    assert first.started <= second.ended and second.started <= first.ended, "one after the other"
    assert "2 runs at once" in (tmp_path / "b" / "report.md").read_text()


@pytest.mark.slow
def test_ctrl_c_stops_every_run_and_the_same_command_goes_on(
    at_once: list[str], lit: Command, tmp_path: Path
) -> None:
    words = [*at_once, "--trainer.max_epochs=6"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    folders = [tmp_path / "b" / name / "seed-0" for name in ("sleepy_a", "sleepy_b")]
    try:
        wait_for([folder / "resume.ckpt" for folder in folders], process)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130 and "the same command goes on" in output
    for folder in folders:
        assert "stopped by SIG" in (folder / "log.txt").read_text()
        assert not (folder / "row.json").exists() and not children_in(folder)
    assert not (tmp_path / "b" / "tfidf_logreg").exists()
    again = lit(*words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [len(read_row(folder).history) for folder in folders] == [6, 6]


@pytest.mark.slow
def test_a_run_that_is_lost_costs_no_other_row(
    at_once: list[str], fork_server: ForkServer, lit: Command, tmp_path: Path
) -> None:
    process = fork_server.start("experiments", *at_once)
    lost, safe = (tmp_path / "b" / name / "seed-0" for name in ("sleepy_a", "sleepy_b"))
    try:
        wait_for([lost / "resume.ckpt", safe / "resume.ckpt"], process)
        [child] = children_in(lost)
        child.kill()
        done = process.wait(timeout=200)
    finally:
        process.kill()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "killed by SIGKILL" in str(read_row(lost).reason)
    assert read_row(safe).status == read_row(safe.parents[1] / "tfidf_logreg/seed-0").status == "ok"

    retried = lit(*at_once, "--retry")
    assert retried.returncode == 0, retried.stdout + retried.stderr
    row = read_row(lost)
    expected = result(read_row(safe))
    assert result(row) == (*expected[:4], row.config_hash, expected[5])


def test_cards_are_dealt_out_in_turn_and_threads_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("experiments.machine.resources.cores", lambda: 7)
    shares = split_resources(3)
    assert [share.variables["CUDA_VISIBLE_DEVICES"] for share in shares] == ["2", "5", "2"]
    assert [share.threads for share in shares] == [2, 2, 2]
    assert {share.variables["OMP_NUM_THREADS"] for share in shares} == {"2"}
    assert split_resources(50)[0].threads == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" not in split_resources(2)[0].variables
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert split_resources(2)[0].threads == 5
    assert split_resources(1) == [Share({}, None)]


def test_what_is_started_sees_nothing_of_the_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALLOCATION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")  # outside allocations too
    before = dict(os.environ)
    with outside_allocation():
        inside = dict(os.environ)
    assert inside == {name: v for name, v in before.items() if name not in ALLOCATION}
    assert dict(os.environ) == before


def test_no_runs_at_once_is_an_error() -> None:
    with pytest.raises(ConfigError, match="--jobs is 0; it must be at least 1"):
        LocalLauncher(0)
