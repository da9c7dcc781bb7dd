"""Texts with several labels from the fit to the file of predictions, by the commands."""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments import load_run
from experiments.cli.main import main
from experiments.records.predictions import read_outputs
from experiments.records.problems.label_metrics import MultiLabelMetrics
from experiments.records.problems.label_sets import LabelSets
from experiments.records.publishing import publish, verify_published
from experiments.records.run_files import TEST_FILE, read_row

TOPICS = {
    "plot": ("story", "twist", "ending"),
    "acting": ("actor", "cast", "role"),
    "music": ("score", "song", "tune"),
    "sets": ("camera", "colour", "light"),
}
FILLERS = [
    "the",
    "a",
    "it",
    "was",
    "and",
    "with",
    "for",
    "this",
    "two",
    "shows",
    "who",
    "through",
    "an",
    "of",
    "in",
    "very",
    "quite",
]
NAMES = sorted(TOPICS)
SETTINGS = {
    "tfidf_logreg": [],
    "bag": ["--model.learning_rate", "0.03", "--data.batch_size", "16", "--trainer.max_epochs=6"],
    "cnn": [
        "--model.num_filters=32",
        "--model.learning_rate=0.004",
        "--data.batch_size",
        "16",
        "--trainer.max_epochs=8",
    ],
}
TEXT = "the actor sings a song"


def make_rows(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Texts whose words tell their topics; some have none, some all."""
    rng, rows = random.Random(seed), []
    for _ in range(count):
        labels = [name for name in TOPICS if rng.random() < 0.35]
        words = rng.choices(FILLERS, k=rng.randint(6, 15))
        words += [word for name in labels for word in rng.choices(TOPICS[name], k=2)]
        rng.shuffle(words)
        rows.append((" ".join(words), labels))
    return rows


def write(path: Path, rows: list[tuple[str, list[str]]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("text", "labels"), *((t, ";".join(s)) for t, s in rows)])
    else:
        lines = (json.dumps({"text": text, "labels": labels}) for text, labels in rows)
        path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with files of both kinds and a benchmark of a bag, a network and an estimator."""
    folder = tmp_path_factory.mktemp("several")
    for name, count, seed in (("train", 400, 1), ("test", 120, 2), ("later", 60, 3)):
        for ending in (".jsonl", ".csv"):
            write(folder / f"{name}{ending}", make_rows(count, seed))
    for name, options in SETTINGS.items():
        words = ["fit", "-c", name, "--runs", str(folder), "--name", "b", "--test", *options]
        words += ["--data", str(folder / "train.jsonl"), "--data.test", str(folder / "test.jsonl")]
        assert main([*words, "--run.wandb_mode", "disabled", "--run.threshold", "f1"]) == 0
    return folder


def run_of(made: Path, name: str) -> Path:
    return made / "b" / name / "seed-0"


@pytest.mark.parametrize("name", ["tfidf_logreg", "bag", "cnn"])
def test_each_family_learns_the_sets(made: Path, name: str) -> None:
    row = read_row(run_of(made, name))
    assert row.problem == "multi-label classification"
    assert isinstance(row.test, MultiLabelMetrics)
    assert row.test.micro_f1 > 0.95
    assert row.test.f1 > 0.95
    assert row.label_names == NAMES
    outputs = read_outputs(run_of(made, name) / TEST_FILE)
    assert isinstance(outputs, LabelSets)
    expected = [[name in labels for name in NAMES] for _, labels in make_rows(120, 2)]
    assert np.array_equal(outputs.labels, expected)
    assert (outputs.labels.sum(axis=1) == 0).any()
    assert outputs.evaluate(row.threshold) == row.test


def test_the_table_has_both_f1s(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(made / "b")]) == 0
    shown = capsys.readouterr().out
    assert "multi-label classification" in shown
    assert "Micro F1" in shown
    assert "Macro F1" in shown
    page = (made / "b" / "report.html").read_text()
    assert "macro F1 is the mean F1 of the labels" in page
    assert "acting" in page


def test_predict_prints_every_label_with_its_probability(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(made, "tfidf_logreg")
    assert main(["predict", str(run), TEXT, "it was", " "]) == 0
    both, none, empty = capsys.readouterr().out.splitlines()
    labels, numbers, text = both.split("\t")
    assert set(labels.split("|")) == {"acting", "music"}
    values = [float(number) for number in numbers.split("|")]
    assert values == sorted(values, reverse=True)
    assert text == TEXT
    assert none == "\t\tit was"
    assert empty == "\t\t\tblank text"
    loaded = load_run(run).predict([TEXT, "it was", ""])
    assert loaded.labels == [("acting", "music"), (), None]
    assert loaded.to_pandas()["P(music)"][0] == pytest.approx(max(values), abs=0.2)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_files_of_predictions_are_read_again_as_labels(made: Path, ending: str) -> None:
    run, out = run_of(made, "bag"), made / f"out{ending}"
    texts = made / "texts.txt"
    texts.write_text("".join(f"{text}\n" for text, _ in make_rows(60, 3)))
    assert main(["predict", str(run), "--file", str(texts), "--out", str(out), "--force"]) == 0
    found: list[Any]
    if ending == ".csv":
        with out.open() as file:
            found = [[n for n in r["labels"].split("|") if n] for r in csv.DictReader(file)]
    elif ending == ".jsonl":
        found = [json.loads(line)["labels"] for line in out.read_text().splitlines()]
    else:
        found = pq.read_table(out)["labels"].to_pylist()
    expected = load_run(run).predict([text for text, _ in make_rows(60, 3)]).labels
    assert found == [list(labels) for labels in expected]
    assert [] in found


@pytest.mark.parametrize("words", [["later.jsonl"], ["later.csv", "--data.label_separator", ";"]])
def test_a_later_file_is_evaluated_beside_the_row(
    made: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(made, "bag")
    file, *options = words
    assert main(["test", str(run), "--data.test", str(made / file), *options]) == 0
    shown = capsys.readouterr().out
    assert "micro F1 " in shown
    assert "all right " in shown
    [record] = (run / "tests").glob(f"{Path(file).stem}-*/metrics.json")
    metrics = json.loads(record.read_text())
    assert metrics["micro_f1"] > 0.9
    assert metrics["n"] == 60
    record.unlink()


def test_cells_give_the_run_that_lists_give(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "-c", "tfidf_logreg", "--data", str(made / "train.csv"), "--runs"]
    words += [str(tmp_path), "--run.wandb_mode", "disabled", "--data.label_separator", ";"]
    assert main([*words, "--run.protocol", "holdout", "--run.threshold", "f1"]) == 0
    run = tmp_path / "fit/tfidf_logreg/seed-0"
    row, other = read_row(run), read_row(run_of(made, "tfidf_logreg"))
    assert row.val == other.val
    assert "Labels on validation" in capsys.readouterr().out
    assert main(["test", str(run), "--data.test", str(made / "test.csv")]) == 0
    assert read_row(run).test == other.test


def test_a_published_row_follows_from_its_evidence(made: Path, tmp_path: Path) -> None:
    publish([run_of(made, "bag")], "own", results_dir=tmp_path)
    [row] = verify_published(tmp_path)
    assert isinstance(row.test, MultiLabelMetrics)
    assert row.test.micro_f1 == read_row(run_of(made, "bag")).test.micro_f1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-c", "perceptron"], "several labels a text, and Perceptron has a loss"),
        (
            ["-c", "capsule", "--model.loss=margin", "--model.label_smoothing=0"],
            "loss is 'margin'.*--model.loss cross_entropy",
        ),
        (["-c", "bag", "--model.class_weights", "balanced"], "--run.threshold f1"),
        (["-c", "bag", "--run.threshold", "balanced"], "set --run.threshold f1"),
        (["-c", "bag", "--run.folds", "3"], "run.folds is 3.*no cross-validation"),
        (["-c", "bag", "--run.wandb_texts", "true"], "run.wandb_texts is true.*leave it out"),
        (["-c", "cnn_virtual_adversarial"], "virtual_adversarial"),
    ],
)
def test_what_is_for_one_label_is_refused(
    made: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = main(
        ["fit", *words, "--data", str(made / "train.jsonl"), "--runs", str(tmp_path)]
        + ["--run.wandb_mode", "disabled"]
    )
    error = capfd.readouterr().err
    assert code in (1, 2)
    assert "Traceback" not in error
    assert re.search(message, error)


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "RUN", TEXT],
        ["export", "RUN", "--to", "onnx", "--out", "OUT"],
        ["predict", "RUN", TEXT, "--with", "OTHER", "--ensemble", "--format", "csv"],
        ["teach", "RUN", "--out", "OUT"],
        ["audit", "TRAIN"],
    ],
)
def test_other_commands_say_that_they_are_for_one_label(
    made: Path, tmp_path: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    names = {"RUN": run_of(made, "bag"), "OTHER": run_of(made, "tfidf_logreg")}
    names |= {"OUT": tmp_path / "out.parquet", "TRAIN": made / "train.jsonl"}
    assert main([str(names.get(word, word)) for word in words]) in (1, 2)
    error = capfd.readouterr().err
    assert "several labels" in error
    assert "Traceback" not in error
