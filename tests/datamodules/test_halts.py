"""Halts of a process are noticed, and neither work nor waiting is taken for one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from datamodules.halts import RunningClock
from tests.experiments.conftest import REPOSITORY

PROGRAM = """
import sys, time
from datamodules.halts import RunningClock
with RunningClock(interval=0.05, least=0.8) as clock:
    print("ready", flush=True)
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        {work}
    print(clock.halted, flush=True)
"""
WORK = {"works": "sum(range(10_000))", "waits": "time.sleep(0.3)"}


@pytest.mark.slow
@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize("work", WORK)
def test_a_halt_of_the_process_is_noticed(work: str, halt: bool) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(work=WORK[work])],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    if halt:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(process.pid, signal.SIGCONT)
    halted = json.loads(process.communicate(timeout=60)[0])
    assert (1.7 < halted < 3.5) if halt else halted == 0


@pytest.mark.parametrize(
    ("late", "used", "halted"),
    [(60.0, 0.1, 59.0), (60.0, 59.0, 0.0), (60.0, 10.0, 0.0), (5.9, 0.0, 0.0), (6.1, 0.0, 5.1)],
)
def test_only_lost_time_without_processor_is_a_halt(
    late: float, used: float, halted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = RunningClock()
    monkeypatch.setattr(clock, "_watch", lambda: None)
    start, used_before = time.perf_counter(), time.process_time()
    with clock:
        clock._looked, clock._used = start, used_before
        monkeypatch.setattr(time, "perf_counter", lambda: start + late)
        monkeypatch.setattr(time, "process_time", lambda: used_before + used)
        assert clock.seconds() == pytest.approx(start + late - halted)
        assert clock.seconds() == pytest.approx(start + late - halted)  # counted once
        clock._began = start
        assert clock.elapsed() == pytest.approx(late - halted)
    assert clock.halted == pytest.approx(halted)


def test_outside_its_block_it_is_a_plain_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = RunningClock()
    monkeypatch.setattr(time, "perf_counter", lambda: 1e9)
    assert clock.seconds() == 1e9 and clock.halted == 0
