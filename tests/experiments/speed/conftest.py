"""Measurements without waiting for others, and processes of our own code run within the test."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from experiments.machine import quiet
from experiments.speed import frame, measure
from experiments.speed.comparison import against, ours
from experiments.speed.process import run_measurement

TOY = ["--data=tests.toys.ToyData", "--data.rows=80", "--data.batch_size=8"]
TOY += ["--trainer.accelerator=cpu", "--run.wandb_mode=disabled"]
"""Words of the command line that replace the corpus by a made one."""

SHORT = ["--reviews=16", "--rounds=1", "--warmup=1", "--threads=1"]

Calls = list[list[str]]


@pytest.fixture(autouse=True)
def small_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of the test's own, and a small matrix product as the peak."""
    monkeypatch.setenv("QUIET", str(tmp_path / "quiet.lock"))
    monkeypatch.setattr(quiet, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr("experiments.machine.peak._PEAK_SIZES", {"cpu": 256})


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Commands that were run; those of our code are called here, which spares their imports."""
    calls: Calls = []
    programs: dict[str, Callable[[Sequence[str]], None]]
    programs = {
        "experiments.speed.measure": measure.main,
        "experiments.speed.comparison.ours": ours.main,
    }

    def run(command: Sequence[str], threads: int, gpu: bool = False) -> dict[str, Any]:
        calls.append(list(command))
        if command[0] != sys.executable or command[1] != "-m":
            return run_measurement(command, threads, gpu)
        output = io.StringIO()
        with redirect_stdout(output):
            programs[command[2]](command[3:])
        return {**json.loads(output.getvalue().splitlines()[-1]), "others": 0.25}

    for module in (frame, against):
        monkeypatch.setattr(module, "run_measurement", run)
    return calls


def write_peer(folder: Path, body: str = "") -> Path:
    """Script of a library that takes twice 2 seconds for everything, after some lines."""
    script = folder / "peer.py"
    script.write_text(
        "import json, os, sys\n"
        "if sys.argv[1] == '--versions':\n"
        "    print(json.dumps({'python': '3', 'fake': '1.5'}))\n"
        "    sys.exit()\n"
        "job = json.load(open(sys.argv[1]))\n"
        f"open({str(folder / 'jobs.jsonl')!r}, 'a').write(json.dumps(job) + '\\n')\n"
        f"{body}\n"
        "print(json.dumps({'seconds': 2.0 + 64 / job['batch_size'], 'parameters': 7,"
        " 'loss': 0.5, 'accuracy': 0.75}))\n"
    )
    return script


def jobs(folder: Path) -> list[dict[str, Any]]:
    """Jobs that the script got."""
    return [json.loads(line) for line in (folder / "jobs.jsonl").read_text().splitlines()]
