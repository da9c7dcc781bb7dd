"""The results table in a README: exactly what the published rows say, and nothing else touched."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import Registry
from experiments.records.publishing import publish
from experiments.records.row import ResultsError
from experiments.report.readme import write_readme
from tests.experiments.conftest import REPOSITORY
from tests.rows import make_run

OPEN, CLOSE = "<!-- results:imdb -->", "<!-- /results:imdb -->"
AROUND = "# Title\n\nBefore | é\t \n\n{}\n\nAfter,\nno end of line"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two experiments under `holdout`, one of them with three seeds and once under `refit`."""
    runs = [make_run(tmp_path / "runs", seed, data=seed, profile="full") for seed in (0, 1, 2)]
    runs.append(make_run(tmp_path / "runs", data=7, experiment="bag", profile="full"))
    runs.append(make_run(tmp_path / "again", data=9, profile="full", protocol="refit"))
    runs.append(make_run(tmp_path / "runs", data=3, experiment="gone_now", profile="full"))
    publish(runs, "imdb", tmp_path / "published")
    return tmp_path / "published"


def write(published: Path, text: str) -> str:
    readme = published.parent / "README.md"
    readme.write_bytes(text.encode())
    write_readme(readme, published, Registry())
    return readme.read_bytes().decode()


def test_this_repositorys_readme_is_what_the_command_writes(tmp_path: Path) -> None:
    copy = tmp_path / "README.md"
    shutil.copy(REPOSITORY / "README.md", copy)
    written = write_readme(copy, REPOSITORY / "experiments" / "results", Registry())
    assert "imdb" in written
    assert copy.read_bytes() == (REPOSITORY / "README.md").read_bytes(), (
        "run `lit-sentiment report experiments/results --readme README.md`"
    )


def test_the_table_says_what_each_is_and_how_it_spreads_over_seeds(published: Path) -> None:
    text = write(published, AROUND.format(f"{OPEN}\nold\n{CLOSE}"))
    grids = [block for block in text.split("\n\n") if block.startswith("| experiment")]
    assert len(grids) == 2  # one for each protocol: they are never compared in one
    names = [line.split(" | ")[0] for line in grids[0].splitlines()[2:]]
    accuracies = [float(line.split(" | ")[3].split(" ")[0]) for line in grids[0].splitlines()[2:]]
    assert sorted(names) == ["| `bag`", "| `cnn`", "| `gone_now`"]
    assert accuracies == sorted(accuracies, reverse=True) and len(set(accuracies)) == 3
    [cnn] = [line for line in grids[0].splitlines() if "`cnn`" in line]
    what = Registry().description("cnn").rstrip(".")
    assert cnn.startswith(f"| `cnn` | {what} | 0, 1, 2 | ") and " ± " in cnn.split(" | ")[3]
    assert cnn.count("±") == 1 and "| 2.61M | 41 | 1.6 |" in cnn
    accuracy, group = cnn.split(" | ")[3:5]
    assert re.fullmatch(r"\d\d\.\d\d ± \d+\.\d\d \[\d\d\.\d, \d\d\.\d\]", accuracy)
    assert re.fullmatch(r"[a-c]+", group)
    assert "| `gone_now` | CNN | 0 |" in grids[0]  # no experiment of this name any more
    assert "Protocol `holdout`" in text and "Protocol `refit`" in text
    command = "lit-sentiment benchmark NAME --profile full --root DIR --seeds"
    words = " ".join(text.split())
    assert "Example CPU, 2 cores, 2 threads; precision 32-true." in words
    assert f"`{command} 0 1 2 --name imdb --run.protocol holdout`" in words
    assert f"`{command} 0 --name imdb --run.protocol refit`" in words
    reviews = "95% interval over reviews and seeds, of reviews alone where there is one seed."
    assert reviews in words and "95% interval over reviews; another seed would" in words
    assert "sample standard deviation" in words
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("|"))


def test_the_rest_stays_byte_for_byte_and_a_second_time_changes_nothing(published: Path) -> None:
    text = AROUND.format(f"{OPEN}{CLOSE}")
    once = write(published, text)
    before, after = text.split(OPEN + CLOSE)
    assert once.startswith(before + OPEN + "\n\n") and once.endswith("\n\n" + CLOSE + after)
    assert write(published, once) == once
    windows = write(published, text.replace("\n", "\r\n"))
    assert windows == once.replace("\n", "\r\n")
    assert not list(published.parent.glob(".README*"))


def test_an_unchanged_readme_is_not_written(published: Path) -> None:
    write(published, f"{OPEN}{CLOSE}")
    readme = published.parent / "README.md"
    os.utime(readme, ns=(1, 1))
    write_readme(readme, published, Registry())
    assert readme.stat().st_mtime_ns == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no marks", "README.md: no place for a table; put the lines <!-- results:NAME -->"),
        (f"a\n{OPEN}\n", f"README.md:2: {OPEN} does not pair up"),
        (f"{CLOSE}\n{OPEN}", f"README.md:1: {CLOSE} does not pair up"),
        (f"{OPEN}\n{OPEN}\n{CLOSE}", f"README.md:2: {OPEN} does not pair up"),
        (f"{OPEN}\n<!-- /results:own -->", "README.md:2: <!-- /results:own --> does not pair up"),
        (
            "<!-- results:own --><!-- /results:own -->",
            r"own.jsonl: no such table; .*published has imdb",
        ),
        ("<!-- results:test_log --><!-- /results:test_log -->", "test_log.jsonl: no such table"),
    ],
)
def test_bad_marks_are_named_and_nothing_is_written(
    published: Path, text: str, message: str
) -> None:
    with pytest.raises(ResultsError, match=message):
        write(published, text)
    assert (published.parent / "README.md").read_text() == text


def test_the_command(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = published.parent / "README.md"
    readme.write_text(f"{OPEN}\n{CLOSE}\n")
    assert main(["report", str(published), "--readme", str(readme)]) == 0
    assert "table imdb" in capsys.readouterr().out
    assert "| `bag` |" in readme.read_text() and (published / "report.html").exists()
    readme.write_text("")
    assert main(["report", str(published), "--readme", str(readme)]) == 1
    assert "no place for a table" in capsys.readouterr().err
