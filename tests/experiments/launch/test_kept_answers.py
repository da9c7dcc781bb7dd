"""Stamps of what the answer of a command follows from."""

from __future__ import annotations

import os
import site
from pathlib import Path
from typing import Any

import pytest

from datamodules.console import plain_console
from datamodules.store.cache import default_cache_dir
from experiments.launch import answers as answers_module
from experiments.launch.answers import Answer, Answers


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


def test_another_place_or_width_is_another_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file(width: int = 80) -> Path:
        return Answers({"command": "report"}, plain_console(width=width), []).file

    here = file()
    assert file() == here != file(width=100)
    monkeypatch.chdir(tmp_path)
    assert file() != here


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of a few files, and an empty cache."""
    for name in ("datamodules", "lit_models", "experiments/launch", "experiments/results"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / "file.py").write_text("a")
    monkeypatch.setattr(answers_module, "_HOME", tmp_path / "home")
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


def test_the_program_and_cached_corpora_are_looked_at(program: Path) -> None:
    answers = Answers({}, plain_console(), [])
    seen = [answers.stamps([])]
    (program / "experiments" / "results" / "file.py").write_text("ab")  # a test that is logged
    assert answers.stamps([]) == seen[0]
    for name in ("datamodules", "lit_models", "experiments/launch"):
        (program / name / "file.py").write_text("ab")
        seen.append(answers.stamps([]))
    (default_cache_dir() / "corpora").mkdir(parents=True)
    seen.append(answers.stamps([]))
    (default_cache_dir() / "corpora" / "one").mkdir()
    seen.append(answers.stamps([]))
    assert None not in seen and len(set(seen)) == 6


def test_with_too_many_files_nothing_is_kept(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_module, "_MOST", 5)
    answers = Answers({}, plain_console(), [])
    before = answers.stamps([])
    answers.keep(Answer("said", ()), [], before)
    assert before is None and answers.known() is None and not answers.file.exists()


def test_the_oldest_answers_make_room(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "_KEPT", 2)
    each = [Answers({"number": number}, plain_console(), []) for number in range(4)]
    for number, answers in enumerate(each):
        answers.keep(Answer(f"{number}", ("note",)), [], answers.stamps([]))
        if answers.file.exists():
            os.utime(answers.file, (number, number))
    assert [answers.known() for answers in each] == [
        *(None, None),
        *(Answer(f"{number}", ("note",)) for number in (2, 3)),
    ]
