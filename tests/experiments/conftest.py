"""A finished little benchmark, and a way to run the command line as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOY = ["--data=tests.toys.ToyData", "--data.rows=120", "--trainer.max_epochs=2"]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def lit() -> Command:
    """Runs `python -m experiments …` in the repository and returns what it printed."""

    def run(
        *words: object, timeout: float = 200, **environment: str
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "experiments", *map(str, words)],
            cwd=REPOSITORY,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def finished(lit: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a benchmark of `bag` and `tfidf_logreg` over a made corpus."""
    runs = tmp_path_factory.mktemp("runs")
    done = lit("benchmark", "bag", "tfidf_logreg", "--name", "b", "--runs", runs, *TOY)
    assert done.returncode == 0, done.stdout + done.stderr
    return runs / "b"
