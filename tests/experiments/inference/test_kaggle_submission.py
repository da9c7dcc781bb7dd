"""Kaggle round trip: fit on the contest's files, write a submission, read it back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from datamodules.kaggle import TEST, Kaggle
from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.inference import kaggle_submission
from experiments.inference.predictor import Predictor
from experiments.records import atomic
from tests.corpora import make_kaggle


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_kaggle(tmp_path_factory.mktemp("kaggle"), reviews=80)


@pytest.fixture(scope="module")
def run(contest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    words = ["fit", "-c", "nb_logreg", "--data", "datamodules.kaggle.Kaggle", "--root", contest]
    words += ["--runs", runs, "--run.wandb_mode", "disabled", "--model.min_df", "1"]
    assert main(list(map(str, words))) == 0
    return runs / "fit" / "nb_logreg" / "seed-0"


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_probabilities_stand_beside_their_ids_in_the_files_order(
    run: Path, contest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", str(run)]) == 0
    assert f"{run / 'submission.csv'}: 80 reviews" in capsys.readouterr().out
    rows = read(run / "submission.csv")
    ids, texts = Kaggle(root=str(contest)).to_submit()
    assert [row["id"] for row in rows] == ids
    positive = np.array([float(row["sentiment"]) for row in rows])
    assert np.allclose(positive, Predictor(run)(texts)[:, 1], atol=1e-6)
    assert len(set(positive)) > 40 and ((positive > 0.5) == (np.arange(80) % 2)).mean() > 0.95


def test_hard_labels_go_where_they_are_asked_for(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "hard.csv"
    assert main(["submit", str(run), "--hard", "--out", str(out)]) == 0
    soft = [row["sentiment"] for row in read(kaggle_submission.write_submission(run)[0])]
    assert [row["sentiment"] for row in read(out)] == [str(int(float(p) > 0.5)) for p in soft]
    assert {row["sentiment"] for row in read(out)} == {"0", "1"}


def test_the_rating_in_an_id_changes_no_prediction(run: Path, contest: Path) -> None:
    file = contest / TEST
    before, content = kaggle_submission.write_submission(run)[0].read_text(), file.read_text()
    try:
        file.write_text(content.replace('_10"', '_1"'))
        after = kaggle_submission.write_submission(run)[0].read_text()
    finally:
        file.write_text(content)
    assert after != before and after == before.replace("_10,", "_1,")


def test_an_interrupted_submission_leaves_no_part(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(atomic.os, "fsync", fail)
    assert main(["submit", str(run), "--out", str(tmp_path / "x.csv")]) == 1
    assert not list(tmp_path.iterdir())


def test_a_run_on_another_corpus_is_refused(finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"was fitted on ToyData, .*--data datamodules.kaggle"):
        kaggle_submission.write_submission(finished / "tfidf_logreg" / "seed-0")
