"""Load by other processes, from made counts of the system."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.machine import load


def stat(*cores: tuple[int, int, int]) -> str:
    """`/proc/stat` with user, idle and stolen hundredths of a second for each core."""
    lines = [f"cpu{n} {c[0]} 1 2 {c[1]} 9 3 4 {c[2]} 5 6" for n, c in enumerate(cores)]
    return "\n".join(["cpu  9 9 9 9 9 9 9 9 0 0", *lines, "intr 1 2 3"]) + "\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine whose counts, clock, own seconds and cores a test sets."""
    state = SimpleNamespace(file=tmp_path / "stat", now=100.0, own=(0.0,) * 4, cores={0, 1})
    monkeypatch.setattr(load, "STAT", state.file)
    monkeypatch.setattr(load, "core_numbers", lambda: state.cores)
    monkeypatch.setattr(load.time, "monotonic", lambda: state.now)
    names = ("user", "system", "children_user", "children_system")
    monkeypatch.setattr(
        os, "times", lambda: SimpleNamespace(**dict(zip(names, state.own, strict=True)))
    )
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    return state


@pytest.mark.parametrize(
    ("after", "own", "cores", "expected"),
    [
        ([(0, 1000, 0), (0, 1000, 0)], (0, 0, 0, 0), {0, 1}, 0.0),
        ([(1000, 0, 0), (0, 1000, 0)], (0, 0, 0, 0), {0, 1}, 0.5),
        ([(1000, 0, 0), (0, 1000, 0)], (10, 0, 0, 0), {0, 1}, 0.0),  # it was this process
        ([(1000, 0, 0), (600, 400, 0)], (6, 4, 0, 0), {0, 1}, 0.3),
        ([(1000, 0, 0), (1000, 0, 0)], (1, 2, 3, 4), {0, 1}, 0.5),  # children count as its own
        ([(0, 500, 500), (0, 1000, 0)], (0, 0, 0, 0), {0, 1}, 0.25),  # stolen
        ([(0, 1000, 0), (1000, 0, 0)], (0, 0, 0, 0), {0}, 0.0),  # not a core of this process
        ([(0, 1000, 0), (1000, 0, 0)], (0, 0, 0, 0), {1}, 1.0),
        ([(900, 100, 0), (0, 1000, 0)], (10, 0, 0, 0), {0, 1}, 0.0),  # counts are rough
    ],
)
def test_what_others_have_used_in_ten_seconds(
    after: list[tuple[int, int, int]],
    own: tuple[float, float, float, float],
    cores: set[int],
    expected: float,
    machine: SimpleNamespace,
) -> None:
    machine.cores = cores
    machine.file.write_text(stat((0, 0, 0), (0, 0, 0)))
    meter = load.Load()
    machine.file.write_text(stat(*after))
    machine.now, machine.own = 110.0, own
    assert meter.others() == pytest.approx(expected)


def test_where_the_system_does_not_count_it_is_unknown(machine: SimpleNamespace) -> None:
    assert load.Load().others() is None
    machine.file.write_text("cpu  0 0 0 0\n")
    assert load.Load().others() is None
