"""The page of texts without labels: its tables follow from rows and evidence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from experiments.records.publishing import publish
from experiments.records.run_files import read_table
from experiments.statistics.reading import read_run_predictions
from experiments.unlabelled import page
from tests.rows import make_language_run, make_run

MARKS = "a\n<!-- lifts -->\n<!-- /lifts -->\n<!-- pupils -->\n<!-- /pupils -->\n"
MARKS += "<!-- curves -->\n<!-- /curves -->\nb\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    names = {
        "cnn": 1,
        "cnn_pseudo_labels": 2,
        "nb_bag+dpcnn": 3,
        "nb_bag": 4,
        "dpcnn": 5,
        "lstm": 6,
    }
    runs = [
        make_run(tmp_path / "runs", data=data, experiment=name, train_seconds=60.0 * data)
        for name, data in names.items()
    ]
    runs += [make_run(tmp_path / "runs", seed=1, data=7, experiment="cnn", train_seconds=180.0)]
    publish(runs, "imdb", tmp_path / "results")
    few = [("cnn-500", 1), ("cnn_pseudo_labels-500", 3)]
    small = [make_run(tmp_path / "few", data=data, experiment=name) for name, data in few]
    publish(small, "imdb_few_labels", tmp_path / "results")
    language = make_language_run(tmp_path / "runs", "lstm_lm")
    publish([language], "imdb_language", tmp_path / "results")
    return tmp_path / "results"


def written(results: Path, tmp_path: Path) -> str:
    out = tmp_path / "page.md"
    out.write_text(MARKS)
    page.main(["--out", str(out), "--results", str(results)])
    return out.read_text()


def test_a_lift_is_the_difference_of_the_rows(results: Path, tmp_path: Path) -> None:
    text = written(results, tmp_path)
    assert text.startswith("a\n") and text.endswith("b\n")
    [line] = [line for line in text.splitlines() if line.count("|") == 7 and "`" in line]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    file = results / "imdb.jsonl"
    right = dict[str, list[float]]()
    for row in read_table(file):
        test = read_run_predictions(row, file)["test"]
        share = (test.predicted(row.threshold) == test.labels).mean()
        right.setdefault(row.experiment, []).append(100 * float(share))
    base, pupil = np.mean(right["cnn"]), np.mean(right["cnn_pseudo_labels"])
    assert cells[:2] == ["`cnn_pseudo_labels`", f"{base:.2f}"] and cells[3] == f"{pupil:.2f}"
    gain, low, high = map(float, re.findall(r"[+-][\d.]+", cells[5]))
    assert gain == pytest.approx(pupil - base, abs=0.006) and low < gain < high
    assert cells[5].endswith("\\*")  # one seed
    # Minutes of a fit: two of cnn, one of the pupil, and those of its teachers.
    fits = {row.experiment: row.fits for row in read_table(file)}
    assert cells[2] == f"{2 / fits['cnn']:.1f}"
    assert cells[4] == f"{2 / fits['cnn_pseudo_labels']:.1f} + {9 / fits['nb_bag']:.1f}"


def test_a_pupil_stands_beside_its_teacher(results: Path, tmp_path: Path) -> None:
    [line] = [line for line in written(results, tmp_path).splitlines() if line.count("|") == 5][2:]
    assert line.startswith("| `cnn_pseudo_labels` | ")
    pupil, teacher, gap = (float(found) for found in re.findall(r"[+-]?[\d.]+", line)[:3])
    assert gap == pytest.approx(pupil - teacher, abs=0.011)


def test_a_curve_has_the_rows_of_each_number_of_labels(results: Path, tmp_path: Path) -> None:
    lines = [line for line in written(results, tmp_path).splitlines() if line.count("|") == 6][2:]
    assert [line.split(" | ")[1] for line in lines] == ["500", "22,500"]
    for line, base in zip(lines, ("cnn-500", "cnn"), strict=True):
        file = results / ("imdb_few_labels.jsonl" if "-" in base else "imdb.jsonl")
        own = [row.test.accuracy for row in read_table(file) if row.experiment == base]  # type: ignore[union-attr]
        figures = [float(found) for found in re.findall(r"[+-]?\d+\.\d+", line)]
        assert figures[0] == pytest.approx(100 * np.mean(own), abs=0.006)
        assert figures[2] == pytest.approx(figures[1] - figures[0], abs=0.011)


def test_rows_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    publish([make_run(tmp_path / "runs", experiment="cnn")], "imdb", tmp_path / "results")
    assert "`" not in written(tmp_path / "results", tmp_path).replace("`cnn`", "")


def test_every_row_named_is_an_experiment_of_the_queue() -> None:
    from experiments.config.registry import CONFIGS, VARIANTS, Registry

    known = set(Registry([*(CONFIGS / name for name in VARIANTS), CONFIGS / "elmo"]).files)
    ensembles = {page.TEACHER, "semi_supervised_ensemble"}
    to_come = {"seq_cnn", "region_cnn", "dv_ngrams"} - known
    assert {name for pair in page.CURVES for name in pair} - to_come <= known
    named = {*page.LIFTS, *(name for names in page.LIFTS.values() for name in names)}
    assert named - ensembles - to_come <= known
    assert {name for of in page.BEFORE.values() for name, _ in of} <= known
