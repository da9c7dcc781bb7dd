"""Freed blocks stay with the process, unless the user has set malloc otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from experiments.machine import allocator
from experiments.training import fitting
from tests.experiments.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc"
)

# Page faults of filling blocks that have been filled and freed before, and what is recorded.
FAULTS = """
import resource, sys
from experiments.machine import allocator
{start}
def fill():
    blocks = [bytearray(size << 20) for size in (40, 90, 33)]
    for block in blocks:
        block[:] = b"1" * len(block)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, allocator.keeps_memory())
"""
PAGES = 3 * 163 * 2**20 // os.sysconf("SC_PAGE_SIZE")  # of the bytes that are filled thrice


def faults(start: str, **environment: str) -> tuple[int, bool]:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(start=start)],
        cwd=REPOSITORY,
        env={n: v for n, v in os.environ.items() if not n.startswith("MALLOC_")} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    count, kept = done.stdout.split()
    return int(count), kept == "True"


def test_a_block_that_was_freed_is_not_mapped_anew() -> None:
    count, kept = faults("allocator.keep_memory(); allocator.keep_memory()")
    assert kept and count < PAGES / 50


def test_without_it_the_kernel_clears_each_page_again() -> None:
    count, kept = faults("")
    assert not kept and count > PAGES / 2


@pytest.mark.parametrize(
    "user",
    [{"MALLOC_MMAP_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=9999"}],
)
def test_what_the_user_has_set_stays(user: dict[str, str]) -> None:
    count, kept = faults("allocator.keep_memory()", **user)
    assert not kept and count > PAGES / 2


def test_commands_keep_memory() -> None:
    start = "from experiments.cli.main import main; import contextlib, io\n"
    assert faults(start + "with contextlib.redirect_stdout(io.StringIO()): main(['list'])")[1]


def test_so_does_whatever_fits_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(fitting, "keep_memory", lambda: called.append(True))
    with pytest.raises(AttributeError):
        fitting.build_and_setup(None)  # type: ignore[arg-type]
    assert called


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_kept", False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("called"))
    allocator.keep_memory()
    assert not allocator.keeps_memory()
