"""Splits and metrics of each task are pinned, so that nobody changes them unnoticed."""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from datamodules.imdb import IMDB
from datamodules.language import LanguageData
from datamodules.movie_reviews import MovieReviews
from datamodules.store.corpus import Corpus
from datamodules.text import TextDataModule
from experiments.records.metrics import evaluate

# Fingerprint of the corpus; number and digest of the ids of its validation rows.
SPLITS = {
    "imdb-v1": ("9052cca64ed31571", 2_500, "b98d7987ffe57837"),
    "movie-reviews-v1": ("f72ce6c34f9d8bdc", 2_500, "84dde8f821869282"),
}
V1 = {
    "accuracy": 0.715,
    "f1": 0.7148217636022514,
    "auroc": 0.771958148732197,
    "log_loss": 0.618616660535289,
    "ece": 0.068875,
    "n": 400,
    "balanced_accuracy": 0.7150008760731896,
}
CONFUSION = [[148, 59], [55, 138]]  # of scikit-learn, as are the figures of classes below
PER_CLASS = [
    (0.729064039408867, 0.714975845410628, 0.7219512195121951, 207),
    (0.700507614213198, 0.7150259067357513, 0.7076923076923077, 193),
]
METRICS = {"imdb-v1": V1, "movie-reviews-v1": V1}
TASKS: list[type[TextDataModule]] = [IMDB, MovieReviews]


def changed(task: type[TextDataModule], what: str) -> str:
    """Advice for whoever has changed a task."""
    file = f"{task.__module__.replace('.', '/')}.py"
    return (
        f"the {what} of task {task.task} are not those of its published rows. If that was not "
        f"meant, undo it. If it was: raise the version by hand (`task` in {file}), pin the new "
        "values here, say in CHANGELOG.md what changed, and run every experiment again and publish "
        "it in a table of its own, since rows of two versions are never mixed"
    )


def check_splits(task: type[TextDataModule], corpus: Corpus) -> None:
    digest = hashlib.sha256(corpus.val_rows.astype("<i8").tobytes()).hexdigest()[:16]
    found = (corpus.fingerprint, len(corpus.val_rows), digest)
    assert found == SPLITS[str(task.task)], changed(task, "splits")


def test_the_splits_of_imdb_are_those_of_its_version(official_corpus: Corpus) -> None:
    check_splits(IMDB, official_corpus)


def test_the_splits_of_movie_reviews_are_those_of_its_version(tmp_path: Path) -> None:
    check_splits(MovieReviews, MovieReviews(cache_dir=str(tmp_path)).read())


@pytest.mark.parametrize("task", TASKS)
def test_the_metrics_are_those_of_the_version(task: type[TextDataModule]) -> None:
    """Made-up predictions with ties, halves and certain errors."""
    numbers = np.arange(400)
    ones = (numbers * 37 % 101) / 100
    labels = ((ones + (numbers * 53 % 89) / 88 > 1) ^ (numbers % 20 == 0)).astype(np.int64)
    found = dict(vars(evaluate(labels, np.stack([1 - ones, ones], axis=1))))
    confusion, classes = found.pop("confusion"), found.pop("per_class")
    assert found.pop("mae") is None  # of regressions alone
    assert found == pytest.approx(METRICS[str(task.task)], rel=1e-12), changed(task, "metrics")
    assert confusion == CONFUSION, changed(task, "metrics")
    of_classes = [astuple(one) for one in classes]
    for one, pinned in zip(of_classes, PER_CLASS, strict=True):
        assert one == pytest.approx(pinned, rel=1e-12), changed(task, "metrics")


# Number and digest of the ids of the texts by which language models are judged.
HELD_OUT = {
    "imdb-v1-language-v1": (2_500, "0f0f3cad629357cc"),
    "movie-reviews-v1-language-v1": (2_500, "d755e32842de0403"),
}


def check_held_out(
    corpus: TextDataModule, read: Corpus, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Corpus, "load", lambda folder: read)
    monkeypatch.setattr(type(corpus), "corpus_folder", Path("nowhere"))
    data = LanguageData(corpus)
    drawn = data._draw()
    assert drawn.split == split
    digest = hashlib.sha256(drawn.rows.astype("<i8").tobytes()).hexdigest()[:16]
    found = (len(drawn.rows), digest)
    assert found == HELD_OUT[str(data.task)], (
        f"the texts by which {data.task} judges language models are not those of its published "
        "rows; if that was meant, raise VERSION in datamodules/language.py"
    )


def test_the_held_out_texts_of_imdb_are_those_of_the_version(
    official_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_held_out(IMDB(), official_corpus, "unlabelled", monkeypatch)


def test_the_held_out_texts_of_movie_reviews_are_those_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = MovieReviews(cache_dir=str(tmp_path))
    check_held_out(corpus, corpus.read(), "train", monkeypatch)
