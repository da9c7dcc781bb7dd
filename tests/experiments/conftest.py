"""A finished little benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command as Command
from tests.warm import REPOSITORY as REPOSITORY

TOY = ["--data=tests.toys.ToyData", "--data.rows=120", "--trainer.max_epochs=2"]


@pytest.fixture(scope="session")
def finished(lit: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a benchmark of `bag` and `tfidf_logreg` over a made corpus, to be read only."""
    runs = tmp_path_factory.mktemp("runs")
    done = lit("benchmark", "bag", "tfidf_logreg", "--name", "b", "--runs", runs, *TOY)
    assert done.returncode == 0, done.stdout + done.stderr
    return runs / "b"


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a stranger's code writes."""
    monkeypatch.setenv("MARKER", str(tmp_path / "marker"))
    monkeypatch.setenv("BROWSER", "true")  # `antigravity` opens one
    return tmp_path / "marker"
