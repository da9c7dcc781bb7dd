"""Rare classes, by real training: weights of classes and a threshold, from the CSV to the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.inference.ensembles import combine_members, write_ensemble
from experiments.inference.members import find_member
from experiments.inference.predictor import Predictor
from experiments.records.metrics import evaluate
from experiments.records.predictions import read_predictions
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import REFIT, TEST_FILE, VAL_FILE, read_row
from experiments.records.threshold import choose_threshold
from experiments.training.run import execute
from experiments.training.spec import RunSpec
from experiments.training.testing import test_run as evaluate_on_test
from tests.imbalanced import COMMON, RARE, write_imbalanced

MODELS: dict[str, dict[str, Any]] = {
    "tfidf_logreg": {"class_path": "lit_models.tfidf_logreg.TfidfLogReg"},
    "naive_bayes": {"class_path": "lit_models.naive_bayes.NaiveBayes", "init_args": {"ngrams": 1}},
    "logistic": {
        "class_path": "lit_models.logistic.Logistic",
        "init_args": {"max_features": 2000, "learning_rate": 0.05},
    },
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 rows and 600 test rows, 5% of them urgent."""
    folder = tmp_path_factory.mktemp("corpus")
    write_imbalanced(folder / "train.csv")
    write_imbalanced(folder / "test.csv", rows=600, seed=1)
    return folder


def spec_of(
    corpus: Path,
    folder: Path,
    name: str,
    model: dict[str, Any] | None = None,
    test: bool = True,
    **run: Any,
) -> RunSpec:
    files = {"train": str(corpus / "train.csv"), "test": str(corpus / "test.csv")}
    kind = MODELS[name]
    settings = {
        "model": kind | {"init_args": {**kind.get("init_args", {}), **(model or {})}},
        "data": {
            "class_path": "datamodules.files.TextFiles",
            "init_args": {**files, "cache_dir": str(corpus / "cache"), "validation_fraction": 0.2},
        },
        "trainer": {"max_epochs": 4},
        "run": {"wandb_mode": "disabled", **run},
    }
    return RunSpec(name, "b", "full", 0, folder / name / "seed-0", settings, test=test)


def fit(
    corpus: Path, folder: Path, name: str = "tfidf_logreg", **settings: Any
) -> tuple[Path, Row]:
    spec = spec_of(corpus, folder, name, **settings)
    row = execute(spec)
    assert row is not None and read_row(spec.folder) == row
    return spec.folder, row


def recall(row: Row) -> float:
    assert row.test and row.test.per_class and row.label_names == [COMMON, RARE]
    return row.test.per_class[1].recall


@pytest.fixture(scope="module")
def plain(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Row]:
    return fit(corpus, tmp_path_factory.mktemp("plain"))


def test_balanced_weights_of_an_estimator_find_more_of_the_rare_class(
    corpus: Path, tmp_path: Path, plain: tuple[Path, Row]
) -> None:
    check_weighted(plain[1], fit(corpus, tmp_path, model={"class_weights": "balanced"})[1])


def test_balanced_weights_of_a_network_find_more_of_the_rare_class(
    corpus: Path, tmp_path: Path
) -> None:
    before = fit(corpus, tmp_path / "plain", "logistic")[1]
    weights = {"class_weights": "balanced"}
    check_weighted(before, fit(corpus, tmp_path / "weighted", "logistic", model=weights)[1])


def check_weighted(plain: Row, weighted: Row) -> None:
    assert recall(weighted) > recall(plain) + 0.15
    assert plain.test and plain.test.unbalanced and plain.test.balanced_accuracy
    assert weighted.test and weighted.test.balanced_accuracy
    assert weighted.test.balanced_accuracy > plain.test.balanced_accuracy + 0.05
    assert weighted.config_hash != plain.config_hash


@pytest.fixture(scope="module")
def decided(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Row]:
    """A run of both fits with a threshold."""
    return fit(corpus, tmp_path_factory.mktemp("decided"), protocol="refit", threshold="f1")


def test_the_threshold_of_the_first_fit_serves_both(decided: tuple[Path, Row]) -> None:
    folder, row = decided
    val = read_predictions(folder / VAL_FILE)
    threshold = row.threshold
    assert threshold == choose_threshold(val.labels, val.probabilities, "f1") != 0.5
    files = {"val": VAL_FILE, "test": TEST_FILE, "test_refit": f"{REFIT}/{TEST_FILE}"}
    for part, metrics in row.parts.items():
        p = read_predictions(folder / files[part])
        assert metrics == evaluate(p.labels, p.probabilities, threshold)
        assert metrics != evaluate(p.labels, p.probabilities)
    [note] = [note for note in row.notes if "probability of" in note]
    assert f"predicts '{RARE}' from a probability of {threshold:.4g} on" in note
    assert json.loads((folder / "metrics.json").read_text())["final"]["val/f1"] == row.val.f1  # type: ignore[union-attr]


def test_predict_names_the_class_that_the_threshold_decides_for(
    decided: tuple[Path, Row], corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, row = decided
    texts = [line.split(",")[0] for line in (corpus / "test.csv").read_text().splitlines()[1:60]]
    ones = Predictor(folder)(texts)[:, 1]
    assert row.threshold is not None
    between = (ones >= min(row.threshold, 0.5)) & (ones < max(row.threshold, 0.5))
    assert between.any()
    assert main(["predict", str(folder), *texts]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    for (label, probability, _), one in zip(lines, ones, strict=True):
        assert label == (RARE if one >= row.threshold else COMMON)
        assert float(probability) == pytest.approx(one if label == RARE else 1 - one, abs=1e-4)


def test_a_run_that_is_tested_later_is_tested_by_its_threshold(
    corpus: Path, tmp_path: Path
) -> None:
    folder, row = fit(corpus, tmp_path, threshold="balanced", test=False)
    assert row.test is None and row.threshold is not None
    tested = evaluate_on_test(folder)
    p = read_predictions(folder / TEST_FILE)
    assert tested.test == evaluate(p.labels, p.probabilities, row.threshold)
    assert tested.threshold == row.threshold


def test_folds_share_one_threshold(corpus: Path, tmp_path: Path) -> None:
    folder, row = fit(corpus, tmp_path, threshold="f1", folds=2, test=False)
    p = read_predictions(folder / VAL_FILE)
    assert len(p.ids) == 2000 and row.val
    assert row.threshold == choose_threshold(p.labels, p.probabilities, "f1")
    assert row.val == evaluate(p.labels, p.probabilities, row.threshold)
    assert any("probability of" in note for note in row.notes)
    weighted = fit(corpus, tmp_path / "w", folds=2, test=False, model={"class_weights": "balanced"})
    plain = evaluate(p.labels, p.probabilities)
    assert weighted[1].val and weighted[1].val.per_class and plain.per_class
    assert weighted[1].val.per_class[1].recall > plain.per_class[1].recall + 0.1


def test_an_ensemble_chooses_its_own_threshold(
    corpus: Path, tmp_path: Path, plain: tuple[Path, Row]
) -> None:
    folders = [
        fit(corpus, tmp_path, name, threshold="f1")[0] for name in ("tfidf_logreg", "logistic")
    ]
    members = [find_member(str(folder)) for folder in folders]
    combination = combine_members(members)
    row = write_ensemble(combination, tmp_path / "both" / "seed-0", 0)
    val, test = combination.parts["val"], combination.parts["test"]
    assert row.threshold == choose_threshold(val.labels, val.probabilities, "f1")
    assert row.test == evaluate(test.labels, test.probabilities, row.threshold)
    other = find_member(str(plain[0]))
    with pytest.raises(ResultsError, match="run.threshold 'f1' and tfidf_logreg None; combine"):
        combine_members([members[1], other])


def test_a_threshold_is_for_two_classes_that_are_both_in_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def words(file: str, labels: list[str]) -> str:
        lines = [f"text number {n} is {label},{label}" for n, label in enumerate(labels)]
        (tmp_path / file).write_text("\n".join(["text,label", *lines, ""]))
        return str(tmp_path / file)

    def error_of(**data: str) -> str:
        kind = ["--data=datamodules.files.TextFiles", *(f"--data.{k}={v}" for k, v in data.items())]
        places = ["--runs", str(tmp_path / "runs"), "--name", "b"]
        assert main(["fit", "-c", "naive_bayes", *places, *kind, "--run.threshold=f1"]) == 1
        return capsys.readouterr().err

    error = error_of(train=words("three.csv", ["a", "b", "c"] * 20))
    assert "error: run.threshold is 'f1', and the corpus has 3 classes; a threshold" in error
    validation = words("one.csv", ["a"] * 9)
    error = error_of(train=words("two.csv", ["a", "b"] * 20), validation=validation)
    assert "run.threshold is chosen on the validation rows, and all 9 of them are" in error


def test_weights_are_those_of_the_training_rows_alone(corpus: Path, tmp_path: Path) -> None:
    """Under `refit` those of the validation rows too, once they are training rows."""
    spec = spec_of(corpus, tmp_path, "logistic", {"class_weights": "balanced"}, protocol="refit")
    resolved, weights = spec.resolve(), []
    for part in resolved.fits():
        model, data = part.build()
        data.prepare_data()
        data.setup()
        labels = data.train_view().labels
        assert model.class_weighting is not None
        model.class_weighting.learn(labels)
        assert model.class_weighting.weights is not None
        weights.append(model.class_weighting.weights.tolist())
        assert weights[-1] == pytest.approx(len(labels) / (2 * np.bincount(labels)))
    assert len(weights) == 2
