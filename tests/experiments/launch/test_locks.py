"""The lock of a run folder: every command that writes into one takes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import ConfigError, Registry, read_profile
from experiments.launch.benchmark import expand
from experiments.records.lock import exclusive_lock
from experiments.records.run_files import read_row
from experiments.training.signals import EXIT_STOPPED
from tests.experiments.conftest import TOY

pytestmark = pytest.mark.usefixtures("fork_server")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("content", ["resume.ckpt", "row.json"])
def test_a_benchmark_leaves_a_run_to_the_process_that_works_at_it(
    jobs: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = tmp_path / "b" / "bag" / "seed-0"
    held.mkdir(parents=True)
    (held / content).write_bytes(b"of another process")
    words = ["benchmark", "bag", "tfidf_logreg", "--runs", str(tmp_path), "--name", "b"]
    with exclusive_lock(held):
        code = main([*words, "--jobs", jobs, *TOY, "--run.wandb_mode=disabled"])
    assert code == EXIT_STOPPED
    assert f"another process works in {held}" in capsys.readouterr().err
    assert [file.name for file in held.iterdir()] == [content]
    assert (held / content).read_bytes() == b"of another process"
    assert read_row(tmp_path / "b" / "tfidf_logreg" / "seed-0").status == "ok"


@pytest.mark.parametrize("way", ["relative", "here", "link", "dots"])
def test_a_folder_has_one_lock_by_whatever_way_it_is_named(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bag" / "seed-0"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder if way == "here" else tmp_path)
    ways = {"relative": "bag/seed-0", "here": ".", "link": "link", "dots": "bag/../bag/seed-0"}
    with (
        exclusive_lock(folder),
        pytest.raises(ConfigError, match="another process works in"),
        exclusive_lock(Path(ways[way])),
    ):
        pass


@pytest.mark.parametrize("command", ["test", "submit", "robustness", "fit"])
def test_every_command_that_writes_into_a_run_folder_takes_its_lock(
    command: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished / "tfidf_logreg" / "seed-0"
    words = [command, str(folder)]
    if command == "fit":
        words = ["fit", "-c", "tfidf_logreg", "--name", "b", "--runs", str(finished.parent)]
        words += ["--profile", "quick", *TOY]
    with exclusive_lock(folder):
        assert main(words) == 1
    told = capsys.readouterr()
    assert "another process works in" in " ".join((told.out + told.err).split())


def test_an_earlier_run_is_not_taken_back_into_a_folder_that_is_locked(tmp_path: Path) -> None:
    words = ["benchmark", "tfidf_logreg", "--runs", str(tmp_path), "--name", "b", *TOY]
    words.append("--run.wandb_mode=disabled")
    assert main(words) == 0 and main([*words, "--model.ngrams=1"]) == 0
    plan = expand(
        Registry(),
        read_profile("quick"),
        names=["tfidf_logreg"],
        seeds=[0],
        name="b",
        runs=tmp_path,
        overrides=TOY,
    )
    folder, before = plan.specs[0].folder, read_row(plan.specs[0].folder)
    with exclusive_lock(folder):
        assert main(words) == EXIT_STOPPED
        assert read_row(folder) == before
    assert main(words) == 0
    assert read_row(folder).config != before.config and os.listdir(folder.parent / "earlier")
