"""A hundred kills with SIGKILL (`make test-faults`), and five of them in the default tests."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.experiments.conftest import REPOSITORY


def campaign(kills: int, seconds: float) -> str:
    """Runs a campaign in a new process and returns its report."""
    command = [sys.executable, "-m", "tests.faults.campaign", "--kills", str(kills)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_killed_at_every_point_ends_as_one_that_was_not() -> None:
    report = campaign(5, 280)
    for point in ("'store': 2", "'epoch': 1", "'checkpoint': 1", "'row.json': 1"):
        assert point in report


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_hundred_kills_lose_no_row() -> None:
    report = campaign(100, 3500)
    print(report)
    assert int(report.split()[2]) >= 100 and "files left: 0" in report
    by_point = {point: int(kills) for point, kills in re.findall(r"'([\w.]+)': (\d+)", report)}
    assert min(by_point.values()) >= 15 and len(by_point) == 4
