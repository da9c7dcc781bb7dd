"""Cost of further classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from experiments.records.row import Row
from tests.own_data.case import write_csv
from tests.own_data.catalogue import CASES
from tests.own_data.commands import Terminal, check_predictions, check_table

pytestmark = [pytest.mark.networks, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("experiment_name", "classes", "floor"),
    [
        ("nb_logreg", 24, 0.85),
        ("nb_logreg", 150, 0.85),
        ("nb_bag", 24, 0.8),
        ("nb_bag", 150, 0.2),  # docs/own-data.md advises against it
        ("cnn", 150, 0.85),
    ],
)
def test_classes_cost_no_more_than_their_number(
    experiment_name: str, classes: int, floor: float, tmp_path: Path, terminal: Terminal
) -> None:
    """150 classes cost at most 75 times what two cost in seconds, on texts as many (twice that,
    since a busy machine lengthens some runs more than others), and 150 times in parameters: two
    classes need the weights of one."""
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
    check_predictions(terminal, own, terminal.run(experiment_name), floor)
    two, many = costs
    assert many.parameters is not None and two.parameters is not None
    assert many.parameters <= classes * two.parameters
    assert many.train_seconds is not None and two.train_seconds is not None
    assert many.train_seconds <= classes * two.train_seconds
