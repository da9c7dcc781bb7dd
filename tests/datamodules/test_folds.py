"""Folds of the train split: no movie and no copy on two sides, and nothing learnt from outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.folds import fold_corpus, grouped_folds
from datamodules.store.corpus import Corpus
from datamodules.vectors.word2vec import Word2Vec
from tests.toys import ToyData

FOLDS = 4


class Grouped(ToyData):
    """Toy corpus of movies with five reviews each, in which two movies share a text."""

    def read(self) -> Corpus:
        corpus = super().read()
        texts = list(corpus.train.texts)
        texts[3], texts[4] = texts[50].upper(), texts[51] + "!"
        movies = np.arange(len(texts)) // 5 + 100
        return replace(corpus, train=replace(corpus.train, texts=texts, groups=movies))


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("folds", [2, 5])
def test_each_row_is_in_one_fold_and_a_group_is_not_divided(folds: int, size: int) -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 300), rng.permutation(np.arange(300) // size)
    numbers = grouped_folds(labels, groups, folds, seed=0)
    assert set(numbers.tolist()) == set(range(folds))
    assert all(len(set(numbers[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    for label in range(3):
        counts = np.bincount(numbers[labels == label], minlength=folds)
        assert np.abs(counts - (labels == label).sum() / folds).max() <= 2 * size
    assert not np.array_equal(numbers, grouped_folds(labels, groups, folds, seed=1))
    assert np.array_equal(numbers, grouped_folds(labels, groups, folds, seed=0))


def test_a_group_larger_than_a_fold_is_in_the_smallest() -> None:
    numbers = grouped_folds(np.zeros(10, int), np.array([7] * 6 + [1, 2, 3, 4]), 2, seed=0)
    assert len(set(numbers[:6].tolist())) == 1


def test_movies_and_copies_are_on_one_side_and_every_row_is_held_out_once(tmp_path: Path) -> None:
    corpus = Grouped(cache_dir=str(tmp_path)).read()
    corpus = replace(corpus, train_rows=corpus.train_rows[2:])  # two rows are excluded
    parts = [fold_corpus(corpus, (number, FOLDS), seed=0) for number in range(FOLDS)]
    held_out = np.concatenate([part.val_rows for part in parts])
    assert np.array_equal(np.sort(held_out), np.arange(2, 64))
    movies = corpus.train.groups
    assert movies is not None
    for part in parts:
        assert np.array_equal(np.union1d(part.train_rows, part.val_rows), np.arange(2, 64))
        assert not set(movies[part.train_rows]) & set(movies[part.val_rows])
        assert len({bool(np.isin(row, part.val_rows)) for row in (3, 4, 50, 51)}) == 1
        assert part.test is None and part.fingerprint != corpus.fingerprint


def test_too_few_groups_are_refused(tmp_path: Path) -> None:
    corpus = Grouped(cache_dir=str(tmp_path)).read()
    one = replace(corpus.train, groups=np.zeros(len(corpus.train), dtype=np.int64))
    with pytest.raises(DataError, match="fold 1 of 2: 64 rows in 1 groups .*run.folds lower"):
        for number in range(2):
            fold_corpus(replace(corpus, train=one), (number, 2), seed=0)


def opened(tmp_path: Path, **settings: Any) -> Grouped:
    data = Grouped(cache_dir=str(tmp_path), **settings)
    data.prepare_data()
    data.setup()
    return data


def test_vocabulary_and_vectors_are_those_of_the_fold(tmp_path: Path) -> None:
    whole = opened(tmp_path)
    kept = set()
    for number in range(FOLDS):
        vectors = Word2Vec(dim=4, epochs=1, workers=1, min_count=1)
        data = opened(tmp_path, fold=(number, FOLDS), vectors=vectors)
        words = set(data.tokenizer.vocabulary())
        learnt = {int(w.removeprefix("train")) for w in words if w.startswith("train")}
        assert learnt == set(data.train_indices().tolist()) - {3, 4}  # copies of 50 and 51
        assert np.array_equal(data.loader("val").dataset.rows, data.store.rows("val"))
        assert data.store.splits == ["train", "unlabelled"]
        assert data.fingerprint == whole.fingerprint != data.store.meta["fingerprint"]
        assert data.word_vectors() is not None
        kept.add(data.store.folder.name)
    assert len(kept) == FOLDS and len(list((tmp_path / "vectors").iterdir())) >= FOLDS
    assert len(list((tmp_path / "corpora").glob("[!.]*"))) == 1  # texts are kept once


@pytest.mark.parametrize("fold", [(0, 1), (-1, 5), (5, 5)])
def test_a_fold_that_does_not_exist_is_refused(fold: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=r"data.fold is .*; it must be such as \[0, 5\]"):
        ToyData(fold=fold)
