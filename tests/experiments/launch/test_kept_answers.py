"""Stamps of what the answer of a command follows from."""

from __future__ import annotations

import os
import site
from pathlib import Path
from typing import Any

import pytest

from datamodules.console import plain_console
from experiments.launch.answers import Answers


def test_folders_that_cannot_be_read_or_are_gone_stop_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as `lost+found` in a corpus's folder, and one that a run under way has just removed."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "text").write_text("a")
    listing = os.scandir

    def closed(place: Path) -> Any:
        if Path(place).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listing(place)

    monkeypatch.setattr(os, "scandir", closed)
    answers = Answers({}, plain_console(), [])
    before = answers.stamps([tmp_path])
    assert before is not None and answers.stamps([tmp_path]) == before
    (tmp_path / "text").write_text("ab")
    assert answers.stamps([tmp_path]) != before


def test_packages_of_the_user_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(tmp_path))
    answers = Answers({}, plain_console(), [])
    before = answers.stamps([])
    (tmp_path / "package-1.0.dist-info").mkdir()
    assert answers.stamps([]) != before


def test_rows_in_a_thousand_run_folders_are_looked_at(tmp_path: Path) -> None:
    for seed in range(1_001):
        (tmp_path / f"seed-{seed}").mkdir()
    row = tmp_path / "seed-7" / "row.json"
    row.write_text("{}")
    answers = Answers({}, plain_console(), [])
    before = answers.stamps([tmp_path])
    row.write_text("{1}")
    assert answers.stamps([tmp_path]) != before


def test_a_folder_of_a_thousand_texts_has_one_stamp(tmp_path: Path) -> None:
    for number in range(1_001):
        (tmp_path / f"{number}.txt").touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "0.txt").touch()
    answers = Answers({}, plain_console(), [])
    assert len(list(answers._entries(tmp_path))) == 3
    before = answers.stamps([tmp_path])
    (tmp_path / "1001.txt").touch()
    assert answers.stamps([tmp_path]) != before
