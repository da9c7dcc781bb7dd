"""Jobs that come back to the queue: after a signal before their run, and after a stopped run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from submitit.slurm.slurm import _make_sbatch_string

from experiments.launch import slurm
from experiments.launch.slurm_config import Cluster
from experiments.training.signals import EXIT_STOPPED
from experiments.training.spec import RunSpec
from tests.experiments.conftest import REPOSITORY


@pytest.mark.parametrize("name", ["fit_ddp.sh", "benchmark_one_node.sh"])
def test_job_scripts_are_shell_and_ask_to_come_back(name: str) -> None:
    file = REPOSITORY / "experiments" / "configs" / "slurm" / name
    assert subprocess.run(["bash", "-n", file]).returncode == 0
    text = file.read_text()
    assert "#SBATCH --requeue" in text and "#SBATCH --signal=" in text


@pytest.mark.parametrize(
    ("command", "restarts", "code", "requests"),
    [
        ("kill -USR1 $$", 3, 138, ["requeue 12_7"]),
        ("kill -USR1 $$", 100, 138, []),
        ("exit 75", 0, 75, []),
        ("true", 0, 0, []),
    ],
)
def test_a_job_killed_by_the_signal_while_python_starts_is_requeued(
    command: str, restarts: int, code: int, requests: list[str], tmp_path: Path
) -> None:
    calls = tmp_path / "calls.txt"
    for name, line in (("scontrol", f"echo $* >> {calls}"), ("srun", command)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    script = _make_sbatch_string("python", "x", **Cluster().parameters("n", "t", []))
    job = {"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "7"}
    job |= {"SLURM_RESTART_COUNT": str(restarts), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(["bash", "-c", script], env={**os.environ, **job}).returncode == code
    assert (calls.read_text().splitlines() if calls.exists() else []) == requests


@pytest.mark.parametrize(("number", "requests"), [(signal.SIGUSR1, 1), (signal.SIGTERM, 0)])
def test_a_signal_between_the_start_of_a_job_and_its_run_is_heeded(
    number: int, requests: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[None] = []
    monkeypatch.setattr(slurm, "requeue", lambda: requested.append(None))
    monkeypatch.setattr(slurm, "_run_alone", lambda spec: signal.raise_signal(number))
    names = (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2)
    before = {name: signal.getsignal(name) for name in names}
    try:
        with pytest.raises(SystemExit) as caught:
            slurm.run_job(RunSpec("bag", "b", "smoke", 0, tmp_path, {}))
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    assert caught.value.code == EXIT_STOPPED and len(requested) == requests
