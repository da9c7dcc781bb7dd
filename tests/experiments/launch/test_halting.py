"""A command halts, with all that it starts, while the lock is held."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.launch import halting
from experiments.launch.halting import run_halting
from experiments.machine import quiet as module
from experiments.machine.quiet import quiet

# Writes the time every 20 ms for a second of its own running, like the process that it starts.
CLOCK = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
name, depth, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if depth:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[4], name, "0", str(steps), ""])
with open(f"{name}-{depth}", "w", buffering=1) as file:
    for _ in range(steps):
        print(time.monotonic(), file=file)
        time.sleep(0.02)
sys.exit(child.wait() if depth else 7)
"""


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUIET", str(tmp_path / "quiet.lock"))
    for place in (module, halting):
        monkeypatch.setattr(place, "LOOK_SECONDS", 0.05)
    return tmp_path / "quiet.lock"


def clock(tmp_path: Path, steps: int = 40) -> list[str]:
    return [sys.executable, "-c", CLOCK, str(tmp_path / "time"), "1", str(steps), CLOCK]


@contextmanager
def timing(started: Path, seconds: float) -> Iterator[list[float]]:
    """Hold the lock in a thread once the file is there; yields begin and end of the quiet time."""
    times: list[float] = []

    def hold() -> None:
        while not started.exists():
            time.sleep(0.01)
        with quiet():
            times.append(time.monotonic())
            time.sleep(seconds)
            times.append(time.monotonic())

    thread = threading.Thread(target=hold)
    thread.start()
    yield times
    thread.join()


def test_a_command_under_way_is_halted_with_its_children_and_goes_on(
    tmp_path: Path, lock: Path
) -> None:
    said: list[str] = []
    with timing(tmp_path / "time-0", 0.5) as times:
        assert run_halting(clock(tmp_path), lock, said.append) == 7
    begin, end = times
    for depth in "01":
        ticks = [float(line) for line in (tmp_path / f"time-{depth}").read_text().split()]
        assert len(ticks) == 40
        assert [tick for tick in ticks if tick < begin]
        assert [tick for tick in ticks if begin + 0.02 < tick < end] == []
    assert said == [f"halted while {lock} is locked", "goes on"]


def test_a_command_that_must_end_is_let_go(tmp_path: Path, lock: Path) -> None:
    began = time.monotonic()
    with quiet():
        assert run_halting(clock(tmp_path, 2), lock, lambda words: None, began + 0.7) == 7
    ticks = [float(line) for line in (tmp_path / "time-1").read_text().split()]
    assert min(ticks) > began + 0.7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("halted", [False, True])
def test_a_signal_ends_the_command_halted_or_not(
    tmp_path: Path, lock: Path, number: int, halted: bool
) -> None:
    # SIGINT is ignored when the tests run in the background, and the command leaves it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(number)

    def interrupt(words: str = "") -> None:
        os.kill(os.getpid(), number)

    def wait_and_interrupt() -> None:
        while not (tmp_path / "time-0").exists():
            time.sleep(0.01)
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        if halted:
            with timing(tmp_path / "time-0", 0.3):
                run_halting(clock(tmp_path, 1000), lock, interrupt)
        else:
            threading.Thread(target=wait_and_interrupt).start()
            run_halting(clock(tmp_path, 1000), lock, interrupt)
    assert signal.getsignal(number) == before
    count = len((tmp_path / "time-1").read_text().split())
    time.sleep(0.1)
    assert len((tmp_path / "time-1").read_text().split()) == count < 1000
