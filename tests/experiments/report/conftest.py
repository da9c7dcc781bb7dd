"""A benchmark made up for the report's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.synthetic import make_benchmark


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six experiments, two seeds each, over 1,000 made reviews."""
    return make_benchmark(tmp_path_factory.mktemp("runs") / "made", 6, 2, 1000, 200, step=0.2)
