"""A hundred times kill -9 (`make test-faults`), and a few of them in the default tests."""

from __future__ import annotations

import re

import pytest

from tests.warm import ForkServer


def campaign(fork_server: ForkServer, kills: int, seconds: float) -> str:
    """The report of a campaign, in a process that nothing was computed in yet."""
    done = fork_server.run("tests.faults.campaign", "--kills", kills, timeout=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_killed_at_every_point_ends_as_one_that_was_not(fork_server: ForkServer) -> None:
    told = campaign(fork_server, 5, 280)
    for point in ("'store': 2", "'epoch': 1", "'checkpoint': 1", "'row.json': 1"):
        assert point in told


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_hundred_kills_lose_no_row(fork_server: ForkServer) -> None:
    told = campaign(fork_server, 100, 3500)
    print(told)
    assert int(told.split()[2]) >= 100 and "files left: 0" in told
    by_point = {point: int(kills) for point, kills in re.findall(r"'([\w.]+)': (\d+)", told)}
    assert min(by_point.values()) >= 15 and len(by_point) == 4
