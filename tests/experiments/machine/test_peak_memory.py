"""Peak memory of a process: that of what it allocates, and never less than it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from experiments.machine import environment
from experiments.machine.environment import peak_memory_bytes

ALLOCATE = """
from experiments.machine.environment import peak_memory_bytes
first = peak_memory_bytes()
block = bytearray(100 * 2**20)
block[:: 4096] = b"x" * len(block[:: 4096])
second = peak_memory_bytes()
del block
print(first, second, peak_memory_bytes())
"""


def test_it_rises_by_what_is_allocated_and_not_by_what_the_parent_had() -> None:
    block = bytearray(b"x") * (300 * 2**20)
    done = subprocess.run([sys.executable, "-c", ALLOCATE], capture_output=True, text=True)
    first, second, third = map(int, done.stdout.split())
    assert first < len(block)
    assert 90 * 2**20 < second - first < 130 * 2**20
    assert second <= third < second + 2**20


def test_a_falling_figure_of_the_system_is_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_peaks", {})
    figures = iter([1_700_572, 1_700_256, 1_700_600, 5])
    monkeypatch.setattr(environment, "_system_peak_bytes", lambda: next(figures))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert [peak_memory_bytes() for _ in range(3)] == [1_700_572, 1_700_572, 1_700_600]
    monkeypatch.setattr(os, "getpid", lambda: 2)
    assert peak_memory_bytes() == 5, "a forked process has a peak of its own"
