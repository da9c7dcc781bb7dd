"""A hundred kills with SIGKILL (`make test-faults`), and five of them in the default tests."""

from __future__ import annotations

import re

import pytest

from tests.warm import ForkServer


def campaign(fork_server: ForkServer, kills: int, seconds: float) -> str:
    """Runs a campaign in a process that has computed nothing and returns its report."""
    done = fork_server.run("tests.faults.campaign", "--kills", kills, timeout=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_killed_at_every_point_ends_as_one_that_was_not(fork_server: ForkServer) -> None:
    report = campaign(fork_server, 5, 280)
    for point in ("'store': 2", "'epoch': 1", "'checkpoint': 1", "'row.json': 1"):
        assert point in report


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_hundred_kills_lose_no_row(fork_server: ForkServer) -> None:
    report = campaign(fork_server, 100, 3500)
    print(report)
    assert int(report.split()[2]) >= 100 and "files left: 0" in report
    by_point = {point: int(kills) for point, kills in re.findall(r"'([\w.]+)': (\d+)", report)}
    assert min(by_point.values()) >= 15 and len(by_point) == 4
