"""Training steps beside busy processes at toy size, from the command to its file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest

from experiments.speed import busy


@pytest.mark.slow
def test_each_spin_count_is_measured_idle_and_busy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "busy.json"
    words = "--spin-counts default 50 --pairs 3 --steps 1 --busy 1 --threads 1"
    busy.main([*words.split(), "--out", str(out)])
    results = json.loads(out.read_text())["results"]
    measured = [(result["spin_count"], result["busy_processes"]) for result in results]
    assert measured == [("default", 0), ("50", 0), ("default", 1), ("50", 1)]
    for first, second in (results[:2], results[2:]):
        assert first["ratio"] == 1 and len(first["rounds"]) == len(second["rounds"]) == 3
        pairs = zip(second["rounds"], first["rounds"], strict=True)
        assert second["ratio"] == sorted(one / other for one, other in pairs)[1] > 0
    assert "spin count" in capsys.readouterr().out
    assert not children()


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_the_load_ends_with_the_block(processes: int) -> None:
    with pytest.raises(KeyboardInterrupt), busy.busy(processes):
        assert len(children()) == processes
        raise KeyboardInterrupt
    assert not children()


def test_a_worker_has_its_spin_count_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    for spin_count, expected in (("default", None), ("50", "50")):
        variables = busy.environment(spin_count, 3)
        assert variables.get("GOMP_SPINCOUNT") == expected
        assert "OMP_WAIT_POLICY" not in variables and variables["OMP_NUM_THREADS"] == "3"


def children() -> list[psutil.Process]:
    """Processes that this one has started with the interpreter, and that have not ended."""
    ours = psutil.Process(os.getpid()).children(recursive=True)
    return [child for child in ours if "while True: pass" in child.cmdline() or _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    return "--worker" in process.cmdline()
