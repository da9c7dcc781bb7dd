"""Finished runs of other settings are set aside, never deleted, and used again when they fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.launch.earlier import EARLIER, set_aside, take_back
from experiments.launch.launcher import clear_run_folder
from experiments.records.row import Row
from experiments.records.run_files import read_row, read_rows, write_row
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.spec import RunSpec
from tests.rows import make_row


def finished(folder: Path, dropout: float, **fields: object) -> Row:
    """A run folder with a row and a file of its own."""
    folder.mkdir(parents=True)
    row = make_row(config={"model": {"init_args": {"dropout": dropout}}}, **fields)
    write_row(folder, row)
    (folder / "model.ckpt").write_text(str(dropout))
    return row


def spec_of(folder: Path) -> RunSpec:
    return RunSpec("cnn", "fit", "quick", 0, folder, {})


def test_a_finished_run_moves_out_of_the_way_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    row = finished(folder, 0.5)
    clear_run_folder(spec_of(folder))
    place = folder.parent / EARLIER / f"seed-0-{row.settings_hash}"
    assert not folder.exists() and read_row(place) == row
    assert (place / "model.ckpt").read_text() == "0.5"
    assert f"the finished run in {folder} is now {place}" in capsys.readouterr().err


def test_rows_of_earlier_runs_are_not_those_of_the_benchmark(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    finished(folder, 0.5)
    set_aside(folder)
    row = finished(folder, 0.3)
    assert read_rows(tmp_path) == [row]


def test_the_same_settings_twice_get_two_places(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    finished(folder, 0.5)
    first = set_aside(folder)
    finished(folder, 0.5)
    second = set_aside(folder)
    assert first != second and read_row(first) == read_row(second)


def test_a_run_that_fits_comes_back_and_the_other_goes_aside(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    old = finished(folder, 0.5)
    set_aside(folder)
    new = finished(folder, 0.3)
    assert not take_back(folder, lambda row: row.settings_hash == "another")
    assert read_row(folder) == new
    assert take_back(folder, lambda row: row.settings_hash == old.settings_hash)
    assert read_row(folder) == old and (folder / "model.ckpt").read_text() == "0.5"
    assert read_row(folder.parent / EARLIER / f"seed-0-{new.settings_hash}") == new


def test_an_unfinished_run_stays_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    finished(folder, 0.5)
    set_aside(folder)
    folder.mkdir()
    (folder / RESUME_FILE).write_text("half")
    assert not take_back(folder, lambda row: True)
    clear_run_folder(spec_of(folder))
    assert (folder / RESUME_FILE).read_text() == "half"


def test_a_failed_run_leaves_its_checkpoint_or_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    folder.mkdir(parents=True)
    write_row(folder, make_row(status="failed", reason="its node was lost"))
    clear_run_folder(spec_of(folder))
    assert not folder.exists() and not (folder.parent / EARLIER).exists()
    folder.mkdir(parents=True)
    write_row(folder, make_row(status="failed", reason="its node was lost"))
    (folder / RESUME_FILE).write_text("half")
    clear_run_folder(spec_of(folder))
    assert [file.name for file in folder.iterdir()] == [RESUME_FILE]


def test_the_newest_of_several_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    for day in (1, 3, 2):
        finished(folder, 0.5, ended=f"2026-01-0{day}T00:00:00+00:00")
        set_aside(folder)
    assert take_back(folder, lambda row: True)
    assert read_row(folder).ended.startswith("2026-01-03")


def test_failed_runs_and_damaged_rows_are_not_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    folder.mkdir(parents=True)
    write_row(folder, make_row(status="failed", reason="out of memory"))
    set_aside(folder)
    damaged = folder.parent / EARLIER / "seed-0-damaged"
    damaged.mkdir()
    (damaged / "row.json").write_text("{")
    assert not take_back(folder, lambda row: True) and not folder.exists()
    assert "seed-0-damaged/row.json: not JSON" in capsys.readouterr().err


def test_a_folder_that_holds_no_checkpoint_makes_way(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    row = finished(folder, 0.5)
    set_aside(folder)
    folder.mkdir()
    (folder / "config.yaml").write_text("of a run that was stopped at once")
    assert take_back(folder, lambda row: True) and read_row(folder) == row


def test_a_checkpoint_of_an_older_format_outlives_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "seed-0"
    folder.mkdir(parents=True)
    write_row(folder, make_row(status="failed", reason="out of memory"))
    (folder / "resume-format-2.ckpt").write_text("old")
    clear_run_folder(spec_of(folder))
    assert [file.name for file in folder.iterdir()] == ["resume-format-2.ckpt"]
