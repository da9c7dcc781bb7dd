"""`test RUN --data.test FILE`: labelled texts that came after the fit, from any folder."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.cli.own_files import interval
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.records import test_log
from experiments.records.predictions import read_predictions
from experiments.records.row import Row
from experiments.records.run_files import TEST_FILE, check_files, read_row
from tests.experiments.cli.test_cli import own_csv

NAMES = ("good", "bad")


def fit(runs: Path, *words: str) -> int:
    return main(
        [
            *("fit", "-c", "tfidf_logreg", "--data", "datamodules.files.TextFiles"),
            *("--data.train", "own.csv", "--runs", str(runs), "--run.wandb_mode", "disabled"),
            *words,
        ]
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a corpus and of a run that was fitted there."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "here").mkdir()
    own_csv(folder / "here" / "own.csv", NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "here")
        assert fit(folder) == 0
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run; the current folder is another than that of its corpus."""
    shutil.copytree(made / "fit", tmp_path / "fit")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    return tmp_path / "fit" / "tfidf_logreg" / "seed-0"


def labelled(file: Path, rows: int = 20, first: int = 1000) -> Path:
    lines = [f"text {i} of sign{i % 2},{NAMES[i % 2]}" for i in range(first, first + rows)]
    file.write_text("\n".join(["text,label", *lines]) + "\n")
    return file


def figures(row: Row) -> tuple:
    return row.val, row.test, row.test_refit, row.corpus_fingerprint, row.checksums


def test_a_run_without_test_rows_names_the_option(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run)]) == 1
    assert "name a file of labelled texts with --data.test FILE" in capsys.readouterr().err
    assert main(["test", str(run), "--data.encoding", "cp1252"]) == 1
    assert "without --data.test FILE" in capsys.readouterr().err


def test_a_later_file_gives_the_row_of_a_run_that_was_fitted_with_it(
    run: Path,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, looks = read_row(run), test_log.read()
    assert before.config["data"]["init_args"]["train"] == str(made / "here" / "own.csv")
    labelled(Path("later.csv"))
    assert main(["test", str(run), "--data.test", "later.csv"]) == 0
    row = read_row(run)
    assert row.test is not None and row.test_refit is not None and row.test.n == 20
    assert row.val == before.val and row.settings_hash == before.settings_hash
    assert row.corpus_fingerprint != before.corpus_fingerprint
    check_files(run, row)
    assert test_log.read() == looks  # a file of one's own is no look at an official test split
    # From anywhere: the same run again, and a fit that names the file.
    monkeypatch.chdir(tmp_path)
    assert main(["test", str(run)]) == 0
    assert figures(read_row(run)) == figures(row)
    assert Resolved.of_run(run).config["data"]["init_args"]["test"] == str(
        tmp_path / "there" / "later.csv"
    )
    monkeypatch.chdir(made / "here")
    capsys.readouterr()
    later = ("--data.test", str(tmp_path / "there" / "later.csv"), "--test")
    assert fit(tmp_path, *later) == 0
    assert "is done already" in capsys.readouterr().out
    assert fit(tmp_path / "new", *later) == 0
    whole = read_row(tmp_path / "new" / "fit" / "tfidf_logreg" / "seed-0")
    assert (whole.test, whole.test_refit) == (row.test, row.test_refit)
    assert whole.corpus_fingerprint == row.corpus_fingerprint
    assert whole.settings_hash == row.settings_hash


def test_a_second_file_is_evaluated_beside_the_row(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled(Path("later.csv"))
    labelled(Path("third.csv"), rows=10, first=50)
    assert main(["test", str(run), "--data.test", "later.csv"]) == 0
    row = read_row(run)
    assert main(["test", str(run), "--data.test", "third.csv"]) == 0
    assert figures(read_row(run)) == figures(row)
    told = " ".join(capsys.readouterr().out.split())
    assert "third.csv: accuracy" in told and "on 10 texts" in told
    (place,) = (run / "tests").iterdir()
    record = json.loads((place / "metrics.json").read_text())
    predictions = read_predictions(place / TEST_FILE)
    right = predictions.probabilities.argmax(axis=1) == predictions.labels
    assert record["accuracy"] == pytest.approx(float(np.mean(right))) and record["n"] == 10
    labelled(Path("later.csv"), rows=30)
    assert main(["test", str(run), "--data.test", "later.csv"]) == 1
    assert "later.csv: has changed since" in capsys.readouterr().err
    assert figures(read_row(run)) == figures(row)


def test_a_file_that_is_written_otherwise_says_how(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path("latin.csv")
    file.write_bytes("Kritik~Urteil\nschön sign0~good\nübel sign1~bad\n".encode("cp1252"))
    words = ["test", str(run), "--data.test", "latin.csv"]
    how = ["--data.text_column", "Kritik", "--data.label_column", "Urteil"]
    assert main([*words, *how, "--data.encoding", "cp1252", "--data.delimiter", "~"]) == 0
    assert "on 2 texts" in " ".join(capsys.readouterr().out.split())
    assert not read_row(run).tested
    assert main([*words, *how, "--data.delimiter", "~"]) == 1
    assert "latin.csv, line 2: byte" in capsys.readouterr().err
    file.write_text("text,label\na,good\nb,Bad\n")
    assert main([*words, "--data.text_column", "text"]) == 1
    assert "latin.csv, line 3: label 'Bad' is none of those of the run" in capsys.readouterr().err


def test_copies_of_training_texts_are_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_csv(Path("copies.csv"), NAMES)
    assert (
        main(["test", str(run), "--data.test", "copies.csv", "--data.label_column", "label"]) == 0
    )
    told = " ".join(capsys.readouterr().out.split())
    assert "60 of the 60 texts are also in the train data" in told
    assert main(["test", str(run), "--data.test", "copies.csv"]) == 0
    assert "60 of the 60 test texts are also in the train data." in read_row(run).notes


def test_a_file_beside_the_row_is_judged_by_the_threshold_of_the_run(run: Path) -> None:
    file = json.loads((run / "row.json").read_text())
    (run / "row.json").write_text(json.dumps(file | {"threshold": 1.0}))  # never the second class
    labelled(Path("later.csv"), rows=9)
    words = ("test", str(run), "--data.test", "later.csv", "--data.text_column", "text")
    assert main(words) == 0
    (place,) = (run / "tests").iterdir()
    record = json.loads((place / "metrics.json").read_text())
    assert record["confusion"] == [[4, 0], [5, 0]]
    assert [one["recall"] for one in record["per_class"]] == [1, 0]


FOREIGN = [(f"reseña {i} de sign{i % 2}", ("buena", "mala")[i % 2]) for i in range(40)]


def test_labels_of_another_language_are_mapped(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{text},{label}" for text, label in FOREIGN]
    Path("reseñas.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    words = ["test", str(run), "--data.test", "reseñas.csv"]
    assert main([*words, "--data.text_column", "text"]) == 1
    assert "label 'buena' is none" in (error := capsys.readouterr().err)
    assert "--data.label_map buena=bad" in error
    assert main([*words, "--data.label_map", "buena=good", "mala=bad"]) == 0
    shown = capsys.readouterr().out
    [record] = (run / "tests").glob("*/metrics.json")
    metrics = json.loads(record.read_text(encoding="utf-8"))
    assert metrics["n"] == 40
    lines = [line for line in shown.splitlines() if line.startswith("reseñas.csv ")]
    assert f"{100 * metrics['accuracy']:.2f} [" in lines[-1]
    assert any("validation" in line and "[" in line for line in shown.splitlines())
    share = float(re.search(r"(\d+)% of the tokens of these texts are unknown", shown)[1])  # type: ignore[index]
    predictor = Predictor(run)
    ids = np.concatenate([b.ragged().values for _, b in predictor.batches([t for t, _ in FOREIGN])])
    assert share == round(100 * (ids == predictor.encoder.token_truncation.unk_id).mean())
    assert "such as bert_multilingual" in shown


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["buena"], "has 'buena'; write LABEL_OF_THE_FILE=LABEL_OF_THE_RUN"),
        (["buena=good", "buena=bad"], "names 'buena' twice"),
        (["buena=great"], "'great' is none of the labels of the run, which are 'bad', 'good'"),
    ],
)
def test_a_map_that_says_nothing_is_refused(
    run: Path, pairs: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled(Path("later.csv"))
    assert main(["test", str(run), "--data.test", "later.csv", "--data.label_map", *pairs]) in (
        1,
        2,
    )
    assert message in capsys.readouterr().err


def test_the_interval_is_that_of_wilson() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for right, n in ((0, 5), (37, 40), (1000, 1234)):
        assert interval(right / n, n) == pytest.approx(
            proportion_confint(right, n, method="wilson"), abs=1e-9
        )
