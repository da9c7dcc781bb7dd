"""A benchmark made up for the report's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.parser import RESULTS
from experiments.report import read_tables
from experiments.report.tables import Table
from tests.synthetic import make_benchmark


@pytest.fixture(scope="session")
def published_tables() -> list[Table]:
    """The tables of this repository's classifiers with their statistics, which take seconds; to be
    read only."""
    return [table for table in read_tables(RESULTS)[0] if table.problem == "classification"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six experiments, two seeds each, over 1,000 made reviews."""
    return make_benchmark(tmp_path_factory.mktemp("runs") / "made", 6, 2, 1000, 200, step=0.2)
