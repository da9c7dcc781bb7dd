"""Output of a run: all of it goes to its log, also from within a terminal's display."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from experiments.launch.launcher import output_to
from tests.experiments.conftest import REPOSITORY, TOY

BROKEN = """
from lit_models.bag import Bag

class Broken(Bag):
    \"\"\"A bag that fails in its first step.\"\"\"
    def training_step(self, batch, batch_idx):
        raise RuntimeError("made to fail")
"""


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True)


DISPLAYS: dict[str, Callable[[], AbstractContextManager]] = {
    "status": lambda: terminal().status("working"),
    "progress": lambda: Progress(console=terminal()),
    "stderr": lambda: redirect_stderr(StringIO()),
    "stdout": lambda: redirect_stdout(StringIO()),
}


@pytest.mark.parametrize("display", DISPLAYS)
def test_the_log_gets_what_a_display_would_take(display: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with DISPLAYS[display](), output_to(log):
        print("printed")
        os.write(1, b"written by C\n")
        try:
            raise ValueError("made to fail")
        except ValueError:
            traceback.print_exc()
    lines = log.read_text().splitlines()
    assert {"printed", "written by C", "ValueError: made to fail"} <= set(lines)


def test_output_is_given_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(SystemExit), output_to(tmp_path / "log.txt"):
        sys.exit(3)
    assert (sys.stdout, sys.stderr) == before
    os.write(2, b"afterwards\n")
    assert "afterwards" in capfd.readouterr().err


@pytest.mark.slow
def test_in_a_terminal_a_failing_runs_traceback_is_in_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "broken_module.py").write_text(BROKEN)
    (folder / "broken.yaml").write_text("# Broken.\nmodel: {class_path: broken_module.Broken}\n")
    words = ["fit", "-c", "broken", "--configs", folder, "--profile", "smoke", "--runs", tmp_path]
    words += [*TOY, "--run.wandb_mode=disabled"]
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *map(str, words)],
        cwd=REPOSITORY,
        env=os.environ | {"TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(control, 4096):
            shown += chunk
    except OSError:  # EIO: the terminal was closed
        pass
    finally:
        os.close(control)
    assert process.wait(timeout=60) == 1
    log = (tmp_path / "fit" / "broken" / "seed-0" / "log.txt").read_text()
    assert "Traceback (most recent call last)" in log and "RuntimeError: made to fail" in log
    assert b"Traceback" not in shown and b"error: RuntimeError: made to fail" in shown
