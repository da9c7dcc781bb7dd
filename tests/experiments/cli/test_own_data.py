"""One CSV: fit, benchmark and predict in as few words as possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.common import plan_of
from experiments.cli.parser import parser
from experiments.cli.words import parse_words
from experiments.config.own_data import named_files
from experiments.launch.benchmark import Plan
from experiments.records.run_files import read_row
from tests.experiments.conftest import Command


def csv_in(folder: Path, name: str) -> Path:
    """A CSV whose texts say their label."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"text {i} of {i % 2} sign{i % 2},{('good', 'bad')[i % 2]}" for i in range(60)]
    file = folder / name
    file.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return file


def plan(*words: str) -> Plan:
    options, rest, _ = parse_words(words, parser()[1]["benchmark"])
    return plan_of(options, rest)


@pytest.mark.parametrize(
    "name", ["reviews.csv", "REVIEWS.CSV", "a b.csv", "-größe.csv", "a=b: c.csv"]
)
def test_the_name_of_a_file_is_a_corpus(name: str) -> None:
    words = [f"--data={name}", "--model.dropout=0.3"]
    expected = ["--data=datamodules.files.TextFiles", f"--data.train={name}", words[1]]
    assert list(named_files(words)) == expected


@pytest.mark.parametrize(
    "word",
    [
        *(
            "--data=TextFiles",
            "--data=datamodules.files.TextFiles",
            '--data={"class_path": "IMDB"}',
        ),
        *("--data.train=reviews.csv", "--data=own.yaml", "--data=tests.toys.ToyData"),
    ],
)
def test_everything_else_is_no_file(word: str) -> None:
    assert list(named_files([word])) == [word]


def test_an_existing_file_of_another_ending_is_a_file_too(tmp_path: Path) -> None:
    file = csv_in(tmp_path, "reviews.txt")
    assert len(list(named_files([f"--data={file}"]))) == 2


def test_every_experiment_on_own_data_has_one_protocol(tmp_path: Path) -> None:
    file = str(csv_in(tmp_path, "a b.csv"))
    words = ("tfidf_logreg", "bag", "--profile", "full", "--data", file)
    assert {spec.resolve().run.protocol for spec in plan(*words).specs} == {"holdout"}
    refitted = plan(*words, "--run.protocol", "refit")
    assert {spec.resolve().run.protocol for spec in refitted.specs} == {"refit"}
    official = plan("tfidf_logreg", "--profile", "full", "--data", "IMDB")
    assert {spec.resolve().run.protocol for spec in official.specs} == {"refit"}


def test_one_file_is_fitted_compared_and_predicted_with(lit: Command, tmp_path: Path) -> None:
    file = csv_in(tmp_path / "my data", "größe.csv")
    words = ["--data", file, "--runs", tmp_path / "my runs", "--run.wandb_mode", "disabled"]
    done = lit("benchmark", *words, "tfidf_logreg", "--profile", "full")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the corpus has no test file" in done.stdout
    row = read_row(tmp_path / "my runs" / "full" / "tfidf_logreg" / "seed-0")
    assert (row.status, row.protocol, row.test) == ("ok", "holdout", None) and row.val

    done = lit("fit", "-c", "tfidf_logreg", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "my runs" / "fit" / "tfidf_logreg" / "seed-0"
    done = lit("predict", folder, "sign0 of 0", "--", "--sign1 of 1")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["good", "bad"]
