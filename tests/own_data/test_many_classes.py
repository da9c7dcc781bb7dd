"""Cost of further classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from experiments.records.row import Row
from tests.own_data.case import write_csv
from tests.own_data.catalogue import CASES
from tests.own_data.commands import Terminal, check_predictions, check_table

pytestmark = [pytest.mark.networks, pytest.mark.timeout(900)]


ONE_VECTOR = (
    "two classes need the weights of one alone, so that 24 have 24 times the parameters (15,048 "
    "against 627) and 150 have 150 times (485,250 against 3,235)"
)


def missed(experiment: str, classes: int, reason: str) -> Any:
    """A bar that is not reached."""
    marks = pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)
    return pytest.param(experiment, classes, marks=marks)


@pytest.mark.parametrize(
    ("experiment_name", "classes"),
    [
        missed("nb_logreg", 24, ONE_VECTOR),
        missed("nb_logreg", 150, ONE_VECTOR),
        ("nb_bag", 24),
        ("nb_bag", 150),
        ("cnn", 150),
    ],
)
def test_classes_cost_no_more_than_their_number(
    experiment_name: str, classes: int, tmp_path: Path, terminal: Terminal
) -> None:
    """150 classes cost at most 75 times what two cost, in parameters and, on texts as many, in
    seconds (twice that, since a busy machine lengthens some runs more than others)."""
    case = CASES["many_classes"](tmp_path)
    chosen = {f"intent_{number:03d}" for number in range(classes)}
    rows = [row for row in case.rows if row[1] in chosen]
    probes = [row for row in case.probes if row[1] in chosen]
    halves = [(text, ("even", "odd")[int(label[-1]) % 2]) for text, label in rows]
    costs: list[Row] = []
    for name, part in (("two", halves), ("many", rows)):
        file = write_csv(tmp_path / f"{name}.csv", part)
        own = dataclasses.replace(case, train=file, rows=part, probes=probes)
        done = terminal.fit(experiment_name, own, "--rerun")
        costs.append(check_table(done, own, experiment_name, terminal.run(experiment_name)))
    check_predictions(terminal, own, terminal.run(experiment_name), case.floor)
    two, many = costs
    assert many.parameters is not None and two.parameters is not None
    assert many.parameters <= classes / 2 * two.parameters
    assert many.train_seconds is not None and two.train_seconds is not None
    assert many.train_seconds <= classes * two.train_seconds
