"""Rows of one author or product: on one side of every split, stratified as far as that goes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.folds import fold_corpus
from datamodules.holdout import nearest_split
from datamodules.store.corpus import Corpus
from datamodules.text import TextDataModule
from tests.datamodules.test_files import make


def write_rows(path: Path, rows: list[tuple[str, str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", "author"), *rows])


def authors(count: int, most: int, seed: int = 0) -> list[tuple[str, str, Any]]:
    """Rows of authors who wrote 1 to `most` texts each, each with a leaning of his own."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, Any]] = []
    for author in range(count):
        leaning = rng.random()
        for _ in range(rng.integers(1, most + 1)):
            label = "pos" if rng.random() < leaning else "neg"
            rows.append((f"text {len(rows)}", label, f"author {author}"))
    return rows


def check_sides(corpus: Corpus) -> None:
    groups = corpus.train.groups
    assert groups is not None
    assert not np.isin(groups[corpus.val_rows], groups[corpus.train_rows]).any()
    assert sorted([*corpus.train_rows, *corpus.val_rows]) == list(range(len(corpus.train)))


def shares(corpus: Corpus) -> tuple[float, float]:
    """Share of the rows that are of validation, and how far its classes are from those of all."""
    labels = corpus.train.labels
    all_, val = (np.bincount(rows, minlength=2) / len(rows)
                 for rows in (labels, labels[corpus.val_rows]))  # fmt: skip
    return len(corpus.val_rows) / len(labels), float(abs(all_ - val).max())


@pytest.mark.parametrize(
    ("count", "most", "far"), [(400, 5, 0.01), (100, 20, 0.02), (20, 200, 0.1), (10, 30, 0.15)]
)
def test_authors_are_on_one_side(tmp_path: Path, count: int, most: int, far: float) -> None:
    write_rows(tmp_path / "train.csv", authors(count, most))
    corpus = make(tmp_path, group_column="author").read()
    check_sides(corpus)
    share, distance = shares(corpus)
    assert share == pytest.approx(0.1, abs=0.05) and distance < far
    again = make(tmp_path, group_column="author").read()
    other = make(tmp_path, group_column="author", split_seed=1).read()
    assert np.array_equal(corpus.val_rows, again.val_rows)
    # Of ten groups one draw is the best for every seed.
    assert np.array_equal(corpus.val_rows, other.val_rows) == (count == 10)


@pytest.mark.parametrize("most", [3, 30, 300])
def test_as_near_to_the_classes_as_scikit_learn(most: int) -> None:
    rows = authors(40 if most == 300 else 200, most)
    labels = np.array([label == "pos" for _, label, _ in rows], dtype=np.int64)
    groups = np.array([int(author.split()[1]) for _, _, author in rows])
    size = round(len(rows) / 10)

    def distance(val: np.ndarray) -> float:
        return float(abs(np.bincount(labels[val], minlength=2) - np.bincount(labels) / 10).sum())

    folds = StratifiedGroupKFold(n_splits=10, shuffle=True, random_state=0)
    theirs = np.median([distance(val) for _, val in folds.split(labels, labels, groups)])
    assert distance(nearest_split(labels, groups, size, 0)) <= max(theirs, 0.04 * size)


def test_authors_of_one_opinion_each(tmp_path: Path) -> None:
    rows: list[tuple[str, str, Any]] = [
        (f"text {a} {i}", "pos" if a % 2 else "neg", a) for a in range(8) for i in range(50)
    ]
    write_rows(tmp_path / "train.csv", rows)
    corpus = make(tmp_path, group_column="author").read()
    check_sides(corpus)
    assert np.bincount(corpus.train.labels[corpus.val_rows]).tolist() == [50, 50]
    assert corpus.notes == (
        "Validation has 25% of the rows instead of 10%, since the 8 groups by 'author' are not "
        "divided.",
    )


@pytest.mark.parametrize("values", [["one"], ["one", "two"]])
def test_too_few_authors(tmp_path: Path, values: list[str]) -> None:
    rows: list[tuple[str, str, Any]] = [
        (f"text {i}", "pos" if i % 2 else "neg", values[i % len(values)]) for i in range(40)
    ]
    write_rows(tmp_path / "train.csv", rows)
    message = rf"too few groups \({len(values)} values of 'author'\)"
    with pytest.raises(DataError, match=message):
        make(tmp_path, group_column="author").read()


def test_rows_without_an_author_and_numbers_for_authors(tmp_path: Path) -> None:
    rows = [(f"text {i}", "ab"[i % 2], ["", "1", "1.0", "nobody"][i % 4]) for i in range(80)]
    write_rows(tmp_path / "train.csv", rows)
    corpus = make(tmp_path, group_column="author").read()
    check_sides(corpus)
    assert corpus.train.groups is not None
    assert len(np.unique(corpus.train.groups)) == 20 + 2  # an empty cell is a group of its own


def test_copies_stay_with_their_author_unless_that_joins_most_of_them(tmp_path: Path) -> None:
    rows = authors(200, 5)
    rows += [(f"{text} again", label, author) for text, label, author in rows[:50]]
    rows += [("text 3", "pos", "someone"), ("TEXT 3!", "pos", "someone else")]
    write_rows(tmp_path / "train.csv", rows)
    corpus = make(tmp_path, group_column="author").read()
    check_sides(corpus)
    copies = [row for row, text in enumerate(corpus.train.texts) if text.lower()[:7] == "text 3!"]
    assert len({row in corpus.val_rows for row in [3, *copies]}) == 1
    rows += [("ok", "pos", f"author {author}") for author in range(200)]
    write_rows(tmp_path / "train.csv", rows)
    corpus = make(tmp_path, group_column="author").read()
    check_sides(corpus)
    assert any("are also in training rows of other groups" in note for note in corpus.notes)


def test_authors_are_known_across_files(tmp_path: Path) -> None:
    for name, of in (("train", range(6)), ("valid", range(4, 9)), ("test", range(8, 12))):
        rows = [(f"{name} {i} {a}", "ab"[i % 2], a) for a in of for i in range(4)]
        write_rows(tmp_path / f"{name}.csv", list(rows))
    options = {"validation": "valid.csv", "test": "test.csv", "group_column": "author"}
    corpus = make(tmp_path, **options).read()
    assert corpus.test is not None and corpus.test.groups is not None
    assert np.unique(corpus.test.groups).tolist() == [8, 9, 10, 11]
    assert corpus.notes == (
        "8 of the 20 validation texts are of groups that are also in the train data.",
        "4 of the 16 test texts are of groups that are also in the validation data.",
    )


def test_folds_and_statistics_know_the_groups(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.csv", authors(60, 10))
    module: TextDataModule = make(tmp_path, group_column="author")
    assert isinstance(module, TextFiles)
    module.prepare_data()
    corpus = Corpus.load(module.corpus_folder)
    groups = module.groups("train")
    assert groups is not None and np.array_equal(groups, corpus.train.groups)
    seen = []
    for fold in range(4):
        part = fold_corpus(corpus, (fold, 4), 0)
        check_sides(part)
        seen += part.val_rows.tolist()
    assert sorted(seen) == list(range(len(corpus.train)))


def test_the_column_of_groups_must_be_another(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.csv", authors(60, 10))
    with pytest.raises(DataError, match="group_column is 'label', which is the column of texts or"):
        make(tmp_path, group_column="label")
    with pytest.raises(DataError, match=r"group_column 'movie' occurs 0 times; choose one"):
        make(tmp_path, group_column="movie").read()
