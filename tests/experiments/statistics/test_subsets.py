"""Copies in train and audited labels, on a made corpus and on the published rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import experiments
from experiments.records.metrics import evaluate
from experiments.records.predictions import write_predictions
from experiments.records.publishing import SUPERSEDED
from experiments.records.row import ResultsError
from experiments.records.run_files import (
    REFIT,
    TEST_FILE,
    checksums,
    read_row,
    read_table,
    write_row,
)
from experiments.statistics import subsets
from experiments.statistics.subsets import find_copies, read_audit, subset_accuracy
from tests.corpora import SmallIMDB, make_aclimdb
from tests.experiments.statistics.made import answers, made_run
from tests.rows import make_language_run

PUBLISHED = Path(experiments.__path__[0]) / "results"
KEYS = [f"test/{name}/{number}_5" for name in ("neg", "pos") for number in range(3)]
LABELS = np.array([0, 0, 0, 1, 1, 1])


def audit(folder: Path, votes: dict[str, tuple[int, int, int, int]]) -> Path:
    names = ("given", "guessed", "neutral", "off-topic")
    entries = [
        {"id": key, "mturk": dict(zip(names, counts, strict=True))} for key, counts in votes.items()
    ]
    file = folder / "audit.json"
    file.write_text(json.dumps(entries))
    return file


def test_copies_word_for_word_and_but_for_markup() -> None:
    test = ["A fine film.", "a fine<br />film", "Dull."]
    exact, near = find_copies(test, ["A fine film.", "Something else"])
    assert exact.tolist() == [True, False, False]
    assert near.tolist() == [True, True, False]


def test_the_rule_of_the_vote(tmp_path: Path) -> None:
    votes = {
        KEYS[0]: (3, 2, 0, 0),  # keeps its label
        KEYS[1]: (2, 3, 0, 0),  # changes class
        KEYS[2]: (2, 2, 1, 0),  # nobody has three: left out
        KEYS[3]: (0, 1, 2, 2),  # neutral or off topic: left out
        KEYS[4]: (0, 5, 0, 0),  # changes class
    }
    result = read_audit(audit(tmp_path, votes), KEYS, LABELS)
    assert result.labels.tolist() == [0, 1, -1, -1, 0, 1]
    assert (result.reviewed, result.failed, result.other_class, result.left_out) == (5, 4, 2, 2)
    predicted = np.array([0, 1, 1, 0, 0, 0])
    assert subset_accuracy(result.labels, predicted) == subsets.SubsetAccuracy(4, 0.75)
    assert subset_accuracy(LABELS, predicted) == subsets.SubsetAccuracy(6, pytest.approx(1 / 6))
    nothing = np.zeros(6, dtype=bool)
    assert subset_accuracy(LABELS, predicted, nothing) == subsets.SubsetAccuracy(0, None)


def test_an_audit_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    published = "cleanlab/label-errors, file mturk/imdb_mturk.json"
    with pytest.raises(ResultsError, match=f"none.json cannot be read .*{published}"):
        read_audit(tmp_path / "none.json", KEYS, LABELS)
    with pytest.raises(ResultsError, match="'test/neg/9_9' is not a test review"):
        read_audit(audit(tmp_path, {"test/neg/9_9": (0, 5, 0, 0)}), KEYS, LABELS)
    with pytest.raises(ResultsError, match=r"has the votes \[0, 4, 0, 0\]; there must be 5"):
        read_audit(audit(tmp_path, {KEYS[0]: (0, 4, 0, 0)}), KEYS, LABELS)
    (tmp_path / "audit.json").write_text('[{"id": 1}]')
    with pytest.raises(ResultsError, match="not the label audit .KeyError"):
        read_audit(tmp_path / "audit.json", KEYS, LABELS)


def test_the_file_beside_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_aclimdb(tmp_path)
    copied = (root / "train" / "pos" / "0_9.txt").read_text()
    (root / "test" / "pos" / "5_9.txt").write_text(copied)
    monkeypatch.setattr(subsets, "IMDB", SmallIMDB)
    module = SmallIMDB(root=str(root))
    module.prepare_data()
    labels = np.repeat([0, 1], 20)
    given = {"corpus": "imdb", "task": "imdb-v1", "corpus_fingerprint": module.fingerprint}
    made_run(tmp_path / "runs", "cnn", 0.9, labels=labels, **given)
    make_language_run(tmp_path / "runs")  # has no accuracy, and is left out
    votes = audit(tmp_path, {"test/neg/0_2": (0, 5, 0, 0), "test/neg/1_2": (0, 0, 5, 0)})
    [file] = subsets.write_subsets(tmp_path / "runs", str(root), votes)
    assert file == tmp_path / "runs" / "subsets.json"
    content = json.loads(file.read_text())
    assert content["test_reviews_with_a_copy_in_train"] == {
        "nothing excluded": {"copies": 1, "near_copies": 1}
    }
    assert content["label_audit"]["failed"] == 2
    [line] = content["rows"]
    assert [line[part]["n"] for part in ("all", "without_copies", "copies", "audited")] == [
        40,
        39,
        1,
        39,
    ]
    assert "test/neg" not in file.read_text() and str(tmp_path) not in file.read_text()
    assert (
        "label-audit"
        not in subsets.write_subsets(tmp_path / "runs", str(root), None)[0].read_text()
    )

    made_run(tmp_path / "runs", "cnn", 0.9, labels=labels, **given | {"task": "imdb-v0"})
    with pytest.raises(ResultsError, match="for task imdb-v0, this version reads imdb-v1; use"):
        subsets.write_subsets(tmp_path / "runs", str(root), None)
    made_run(
        tmp_path / "runs", "cnn", 0.9, labels=labels, **given | {"corpus_fingerprint": "feed" * 4}
    )
    with pytest.raises(
        ResultsError, match="was tested on corpus feedfeedfeedfeed .*, this corpus is "
    ):
        subsets.write_subsets(tmp_path / "runs", str(root), None)
    made_run(tmp_path / "runs", "cnn", 0.9, corpus="movie_reviews")
    with pytest.raises(ResultsError, match="cnn is of corpus 'movie_reviews'"):
        subsets.write_subsets(tmp_path / "runs", str(root), None)
    made_run(tmp_path / "other", "cnn", 0.9, tested=False)
    with pytest.raises(ResultsError, match="0 tested rows"):
        subsets.write_subsets(tmp_path / "other", str(root), None)


def test_each_figure_is_of_the_weights_that_its_line_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subsets, "IMDB", SmallIMDB)
    module = SmallIMDB(root=str(make_aclimdb(tmp_path)))
    module.prepare_data()
    labels, runs = np.repeat([0, 1], 20), tmp_path / "runs"
    given = {"corpus": "imdb", "task": "imdb-v1", "corpus_fingerprint": module.fingerprint}
    made_run(runs, "bag", 0.8, labels=labels, **given)
    folder = made_run(runs, "cnn", 0.5, labels=labels, **given, protocol="refit")
    second = answers(0.9, 7, labels)
    write_predictions(folder / REFIT / TEST_FILE, second)
    row = read_row(folder)
    metrics = {"test_refit": evaluate(second.labels, second.probabilities)}
    write_row(folder, replace(row.with_parts(metrics), checksums=checksums(folder)))
    [file] = subsets.write_subsets(runs, str(tmp_path / "aclImdb"), None)
    lines = {
        (line["experiment"], line["protocol"]): line["all"]["accuracy"]
        for line in json.loads(file.read_text())["rows"]
    }
    assert row.test and lines == {
        ("bag", "holdout"): pytest.approx(read_row(runs / "bag" / "seed-0").test.accuracy),
        ("cnn", "holdout"): pytest.approx(row.test.accuracy),
        ("cnn", "refit"): pytest.approx(metrics["test_refit"].accuracy),
    }


def test_the_published_figures_follow_from_the_published_rows() -> None:
    content = json.loads((PUBLISHED / "imdb.subsets.json").read_text())
    counts = content["test_reviews_with_a_copy_in_train"]["nothing excluded"]
    assert counts["copies"] == 123  # as counted for this corpus before
    audited = content["label_audit"]
    assert [audited[name] for name in ("reviewed", "failed", "other_class")] == [1310, 725, 173]
    rows = {
        (row.experiment, row.protocol, row.profile, row.seed, row.excluded): row
        for folder in (PUBLISHED, PUBLISHED / SUPERSEDED)
        for row in read_table(folder / "imdb.jsonl")
    }
    for line in content["rows"]:
        key = tuple(
            line[name] for name in ("experiment", "protocol", "profile", "seed", "excluded")
        )
        test = rows[key].test if line["protocol"] == "holdout" else rows[key].test_refit
        assert test is not None and line["all"]["accuracy"] == test.accuracy
        parts = (line["without_copies"], line["copies"])
        right = sum(round(part["n"] * part["accuracy"]) for part in parts)
        assert right == round(test.n * test.accuracy)
