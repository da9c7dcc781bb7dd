"""Processes that measure: their result, their failure, and the load beside them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from threading import Timer

import pytest

from experiments.machine.quiet import quiet_file
from experiments.speed.process import run_measurement


def test_a_measurement_is_the_last_line_of_its_process() -> None:
    code = "import os; print('noise'); print('{\"threads\":', os.environ['OMP_NUM_THREADS'], '}')"
    result = run_measurement([sys.executable, "-c", code], threads=2)
    assert result.pop("others") is None or sys.platform == "linux"
    assert result == {"threads": 2}


def test_a_measurement_waits_for_another_one_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Takes a second, in which the other one holds the lock."""
    with open(quiet_file(), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Timer(1, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        started = time.monotonic()
        run_measurement([sys.executable, "-c", "print('{}')"], threads=1)
    assert time.monotonic() - started > 0.9
    assert f"waiting for another measurement, which holds {quiet_file()}" in capsys.readouterr().err


@pytest.mark.parametrize("gpu", [False, True])
def test_gpus_are_hidden_unless_they_are_asked_for(
    gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    code = "import json, os; print(json.dumps({'gpus': os.environ['CUDA_VISIBLE_DEVICES']}))"
    result = run_measurement([sys.executable, "-c", code], threads=1, gpu=gpu)
    assert result["gpus"] == ("0" if gpu else "")


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the load by other processes"
)
def test_work_of_others_is_noticed() -> None:
    """Takes two seconds, since the clock of the cores has steps of a hundredth."""
    spin = "import time; e = time.time() + {}\nwhile time.time() < e: pass\nprint('{{}}')"
    alone = run_measurement([sys.executable, "-c", spin.format(1)], threads=1)
    other = subprocess.Popen([sys.executable, "-c", spin.format(60)], stdout=subprocess.DEVNULL)
    try:
        beside = run_measurement(
            [sys.executable, "-c", "import time; time.sleep(1); print('{}')"], threads=1
        )
    finally:
        other.kill()
        other.wait()
    assert beside["others"] * (os.cpu_count() or 1) > 0.3
    assert 0 <= alone["others"] <= 1


def test_a_failed_measurement_says_why() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no module named keras')"]
    with pytest.raises(SystemExit, match="(?s)ended with code 1:.*no module named keras"):
        run_measurement(command, threads=2)


@pytest.mark.parametrize(
    ("number", "end"),
    [(9, "was ended by signal 9, maybe for want of memory:"), (15, "was ended by signal 15:")],
)
def test_a_measurement_that_is_killed_says_so(number: int, end: str) -> None:
    command = [sys.executable, "-c", f"import os; os.kill(os.getpid(), {number})"]
    with pytest.raises(SystemExit, match=end):
        run_measurement(command, threads=1)
