"""Results in a README: they follow from the published rows, and other text stays the same."""

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
from experiments.report.readme.grids import describe
from experiments.report.readme.write import write_readme
from experiments.report.tables import build_tables
from tests.experiments.conftest import REPOSITORY
from tests.rows import make_row, make_run

OPEN, CLOSE = "<!-- results:imdb -->", "<!-- /results:imdb -->"
OPEN_TOP, CLOSE_TOP = "<!-- results:imdb:top -->", "<!-- /results:imdb:top -->"
PICTURE = "<!-- picture:imdb -->", "<!-- /picture:imdb -->"
AROUND = "# Title\n\nBefore | é\t \n\n{}\n\nAfter,\nno end of line"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Three experiments, one of them with three seeds, the first of them fitted twice."""
    protocols = ("refit", "holdout", "holdout")
    runs = [
        make_run(tmp_path / "runs", seed, data=seed, profile="full", protocol=protocol)
        for seed, protocol in enumerate(protocols)
    ]
    runs.append(make_run(tmp_path / "runs", data=7, experiment="bag", profile="full"))
    runs.append(make_run(tmp_path / "runs", data=3, experiment="gone_now", profile="full"))
    publish(runs, "imdb", tmp_path / "published")
    return tmp_path / "published"


def write(published: Path, text: str) -> str:
    readme = published.parent / "README.md"
    readme.write_bytes(text.encode())
    write_readme(readme, published, Registry())
    return readme.read_bytes().decode()


def test_this_repositorys_readme_is_what_the_command_writes(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "README.md", tmp_path)
    if (REPOSITORY / "docs").exists():
        shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    readme = tmp_path / "README.md"
    written = write_readme(readme, REPOSITORY / "experiments" / "results", Registry())
    assert "table imdb" in [what for _, what in written]
    for file in [readme, *(tmp_path / "docs").rglob("*.*")]:
        original = REPOSITORY / file.relative_to(tmp_path)
        assert original.exists() and file.read_bytes() == original.read_bytes(), (
            f"{original}: run `lit-sentiment report experiments/results --readme README.md`"
        )


def test_the_table_says_what_each_is_and_how_it_spreads_over_seeds(published: Path) -> None:
    text = write(published, AROUND.format(f"{OPEN}\nold\n{CLOSE}"))
    grids = [block for block in text.split("\n\n") if block.startswith("| experiment")]
    assert len(grids) == 1  # both protocols side by side
    *lines, largest = grids[0].splitlines()[2:]
    names = [line.split(" | ")[0] for line in lines]
    accuracies = [float(line.split(" | ")[4].split(" ")[0]) for line in lines]
    assert largest.startswith("| largest class | Always the most frequent class, ")
    assert sorted(names) == ["| `bag`", "| `cnn`", "| `gone_now`"]
    assert accuracies == sorted(accuracies, reverse=True) and len(set(accuracies)) == 3
    [cnn] = [line for line in grids[0].splitlines() if "`cnn`" in line]
    what = Registry().description("cnn").rstrip(".")
    assert cnn.startswith(f"| `cnn` | {what} | labels | 0, 1, 2 | ")
    assert cnn.count("±") == 1 and "| 2.61M | 34 | 1.6 |" in cnn
    accuracy, group = cnn.split(" | ")[4:6]
    assert re.fullmatch(r"\d\d\.\d\d ± \d+\.\d\d \[\d\d\.\d, \d\d\.\d\]", accuracy)
    assert group == "a"
    # One seed of a model that draws: no letter, and the reason below the table.
    assert all(line.split(" | ")[5] == "–" for line in grids[0].splitlines() if "| 0 |" in line)
    assert "| `gone_now` | CNN | labels | 0 |" in grids[0]  # no experiment of this name any more
    words = " ".join(text.split())
    assert "Protocols: holdout: trained on the train part" in words and "; refit: every" in words
    command = "lit-sentiment benchmark NAME --profile full --root DIR --seeds"
    assert "Example CPU, 2 cores, 2 threads; precision 32-true." in words
    assert f"`{command} 0 1 2 --name imdb --run.protocol PROTOCOL`" in words
    assert "95% interval over reviews and seeds, over reviews alone for a single seed." in words
    heads = grids[0].splitlines()[0].split(" | ")
    refit = {
        row.split(" | ")[0]: row.split(" | ")[heads.index("refit %")]
        for row in grids[0].splitlines()
    }
    once = r"\d\d\.\d\d \[\d\d\.\d, \d\d\.\d\] \(1 of 3 seeds\)"
    assert re.fullmatch(once, refit["| `cnn`"])
    assert refit["| `bag`"] == "–"  # no second fit
    assert "An experiment without a letter has one seed" in words
    assert "sample standard deviation" in words
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("|"))


def test_a_refit_of_one_seed_is_explained_where_all_others_have_several(tmp_path: Path) -> None:
    runs = [
        make_run(
            tmp_path / "runs",
            seed,
            data=number + seed,
            experiment=name,
            profile="full",
            protocol="holdout" if seed else "refit",
        )
        for number, name in enumerate(("bag", "cnn"))
        for seed in range(3)
    ]
    publish(runs, "imdb", tmp_path / "published")
    words = " ".join(write(tmp_path / "published", f"{OPEN}{CLOSE}").split())
    assert "over reviews and seeds, over reviews alone for a single seed." in words
    assert "An experiment without a letter has one seed" in words
    assert main(["report", str(tmp_path / "published")]) == 0
    for file in ("report.md", "report.html"):
        words = " ".join((tmp_path / "published" / file).read_text().split())
        assert "*: one seed, " in words and "An experiment without a letter has one seed" in words


def test_the_log_loss_of_a_top_row_is_that_of_its_protocol(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "runs", data=data, experiment=name, protocol="refit")
        for data, name in enumerate(("bag", "cnn", "gru", "lstm", "rnn"))
    ]
    rows = {row.experiment: row for row in publish(runs, "imdb", tmp_path / "published")}
    lines = write(tmp_path / "published", f"{OPEN_TOP}{CLOSE_TOP}").splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith("| `")]
    assert {line[2] for line in cells} == {"holdout", "refit"}, "the test would show little"
    for name, _, protocol, _, loss, *_ in cells:
        row = rows[name.strip("|` ")]
        metrics = row.test if protocol == "holdout" else row.test_refit
        assert metrics and loss == f"{metrics.log_loss:.3f}"


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
        (f"a\n{OPEN}\n", f"README.md:2: {OPEN} has no partner"),
        (f"{CLOSE}\n{OPEN}", f"README.md:1: {CLOSE} has no partner"),
        (f"{OPEN}\n{OPEN}\n{CLOSE}", f"README.md:2: {OPEN} has no partner"),
        (f"{OPEN}\n<!-- /results:own -->", "README.md:2: <!-- /results:own --> has no partner"),
        (
            "<!-- results:own --><!-- /results:own -->",
            r"own.jsonl: no such table; .*published has imdb",
        ),
        ("<!-- results:test_log --><!-- /results:test_log -->", "test_log.jsonl: no such table"),
        (f"{OPEN_TOP}\n{CLOSE}", f"README.md:2: {CLOSE} has no partner"),
        (f"{OPEN}\n{PICTURE[1]}", f"README.md:2: {PICTURE[1]} has no partner"),
        ("\n<!-- robustness -->", "README.md:2: <!-- robustness --> has no partner"),
        (
            "\n<!-- results:imdb:best --><!-- /results:imdb:best -->",
            "README.md:2: <!-- results:imdb:best --> is not a known mark; known are results:NAME, ",
        ),
        ("<!-- picture:own --><!-- /picture:own -->", "own.jsonl: no such table"),
        (f"`{OPEN}` and `{CLOSE}`", "no place for a table"),  # in inline code
    ],
)
def test_bad_marks_are_named_and_nothing_is_written(
    published: Path, text: str, message: str
) -> None:
    with pytest.raises(ResultsError, match=message):
        write(published, text)
    assert (published.parent / "README.md").read_text() == text


def test_one_command_refreshes_the_pages_in_docs_too(published: Path) -> None:
    readme, docs = published.parent / "README.md", published.parent / "docs"
    docs.mkdir()
    pages = {
        readme: f"{PICTURE[0]}{PICTURE[1]}\n{OPEN_TOP}{CLOSE_TOP}",
        docs / "results.md": f"# Results\n{OPEN}{CLOSE}",
        docs / "figure.md": f"{OPEN_TOP}{CLOSE_TOP}{PICTURE[0]}{PICTURE[1]}",
        docs / "other.md": f"No marks, but `{OPEN}`.\r\n",
    }
    for page, text in pages.items():
        page.write_bytes(text.encode())
    os.utime(docs / "other.md", ns=(1, 1))
    assert write_readme(readme, published, Registry()) == [
        (readme, "picture imdb"),
        (readme, "top rows of imdb"),
        (docs / "figure.md", "top rows of imdb"),
        (docs / "figure.md", "picture imdb"),
        (docs / "results.md", "table imdb"),
    ]
    front = readme.read_text()
    assert 'src="docs/accuracy-light.svg"' in front and "(docs/results.md)" in front
    assert 'srcset="docs/accuracy-dark.svg"' in front and front.count("| experiment |") == 1
    inner = (docs / "figure.md").read_text()
    assert 'src="accuracy-light.svg"' in inner and "(results.md)" in inner
    assert (docs / "results.md").read_text().startswith(f"# Results\n{OPEN}\n\nCorpus")
    assert (docs / "results.md").read_text().count("| experiment |") == 1
    assert (docs / "other.md").stat().st_mtime_ns == 1
    for theme in ("light", "dark"):
        svg = (docs / f"accuracy-{theme}.svg").read_text()
        assert svg.count('class="point"') == 4  # three experiments, one of them twice
    files = {file: file.read_bytes() for file in published.parent.rglob("*.*") if file.is_file()}
    (docs / "accuracy-dark.svg").unlink()
    write_readme(readme, published, Registry())
    assert {file: file.read_bytes() for file in files} == files


def test_a_page_by_itself_is_a_readme_of_its_folder(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = published.parent / "docs"
    docs.mkdir()
    (docs / "page.md").write_text("".join(PICTURE))
    monkeypatch.chdir(docs)
    write_readme(Path("page.md"), published, Registry())
    assert 'src="accuracy-light.svg"' in (docs / "page.md").read_text()
    assert (docs / "accuracy-light.svg").exists()


def test_an_error_in_a_page_in_docs_leaves_every_file_as_it_is(published: Path) -> None:
    page = published.parent / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(OPEN)
    text = "".join(PICTURE)
    with pytest.raises(ResultsError, match=f"page.md:1: {OPEN} has no partner"):
        write(published, text)
    shutil.copytree(published / "imdb", published / "again")
    rows = (published / "imdb.jsonl").read_text().splitlines(keepends=True)
    (published / "again.jsonl").write_text("".join(rows[1:]))
    page.write_text("<!-- picture:again --><!-- /picture:again -->")
    with pytest.raises(ResultsError, match="ask for pictures of two tables, one of them again"):
        write(published, text)
    assert (published.parent / "README.md").read_text() == text
    assert [file.name for file in page.parent.iterdir()] == ["page.md"]


def test_the_command(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = published.parent / "README.md"
    readme.write_text(f"{OPEN}\n{CLOSE}\n")
    assert main(["report", str(published), "--readme", str(readme)]) == 0
    assert f"{readme}: table imdb" in capsys.readouterr().out
    assert "| `bag` |" in readme.read_text() and (published / "report.html").exists()
    readme.write_text("")
    assert main(["report", str(published), "--readme", str(readme)]) == 1
    assert "no place for a table" in capsys.readouterr().err


def test_an_ensemble_is_described_by_its_members() -> None:
    row = make_row(experiment="a+b", config={"ensemble": ["a@1", "b@2"]}, architecture="Ensemble")
    ((line,),) = [table.lines for table in build_tables([row])]
    assert (
        describe(line, Registry())
        == "The sum of the log-probabilities of `a` and `b`, with weights fitted on validation"
    )
