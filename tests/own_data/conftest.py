"""A terminal for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.own_data.commands import Terminal


@pytest.fixture
def terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    return Terminal(tmp_path, capsys, monkeypatch)
