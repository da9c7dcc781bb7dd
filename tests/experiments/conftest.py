"""A finished little benchmark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, or the program that `CHROMIUM` names."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="pip install 'lit-sentiment[browser]'"
    )
    named = os.environ.get("CHROMIUM")
    program = named or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium; install one, or name it in CHROMIUM")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
