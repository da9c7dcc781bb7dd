"""Lock of timings: where it lies, who sees it, and that every timing holds it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import experiments.speed
from datamodules.store.cache import default_cache_dir
from experiments.machine import quiet as module
from experiments.machine.quiet import is_held, quiet, quiet_file
from experiments.speed.process import run_measurement

SPEED = Path(experiments.speed.__path__[0])
PROGRAMS = {file.stem for file in SPEED.glob("*.py") if "\ndef main(" in file.read_text("utf-8")}
# These start processes that measure, or are such processes.
IN_PROCESSES = {"alone", "measure"}  # measured by `process`, which holds it
MAKE_DATA = {"many_reviews"}


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUIET", str(tmp_path / "cache" / "quiet.lock"))
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    return quiet_file()


def test_it_lies_in_the_users_cache_or_where_quiet_says(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lock == tmp_path / "cache" / "quiet.lock"
    monkeypatch.delenv("QUIET")
    assert quiet_file() == default_cache_dir() / "quiet.lock"


def test_it_is_held_within_the_block_and_after_an_error_no_more(lock: Path) -> None:
    assert not is_held(lock)
    with quiet():
        assert is_held(lock)
        assert subprocess.run(["flock", "--nonblock", lock, "true"]).returncode == 1
    assert not is_held(lock)
    with pytest.raises(ValueError), quiet():
        raise ValueError
    assert not is_held(lock)


def test_a_shell_holds_it_too(lock: Path) -> None:
    lock.parent.mkdir()
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE) as shell:
        until = time.monotonic() + 10
        while not is_held(lock):
            assert time.monotonic() < until
        assert shell.stdin is not None
        shell.stdin.close()
        shell.wait()
    assert not is_held(lock)


def test_a_measurement_in_a_process_of_its_own_holds_it(lock: Path) -> None:
    look = "import sys; from experiments.machine.quiet import *; from pathlib import Path; "
    look += "print('{\"held\": %s}' % str(is_held(Path(sys.argv[1]))).lower())"
    found = run_measurement([sys.executable, "-c", look, str(lock)], threads=1)
    assert found["held"] is True and not is_held(lock)


@pytest.mark.parametrize("name", sorted({*PROGRAMS - IN_PROCESSES - MAKE_DATA, "process"}))
def test_every_timing_holds_it(name: str) -> None:
    source = (SPEED / f"{name}.py").read_text(encoding="utf-8")
    assert re.search(r"^(@quiet\(\)$|    with quiet\(\):$)", source, re.M)
