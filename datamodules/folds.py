"""Folds of the train split for cross-validation; the rows of a group are in one fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datamodules.errors import DataError
from datamodules.splits import grouped_split, merge_groups
from datamodules.store.corpus import Corpus
from datamodules.store.label_sets import occurring, strata


def grouped_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deals rows to folds of equal, class-proportional sizes without dividing a group.

    Groups that fit into the quotas of no fold (`grouped_split`) go to the smallest one.

    Args:
        labels: int64[N], classes 0, 1, …
        groups: int64[N], group of each row.
        folds: number of folds.
        seed: random seed of the order of the groups.

    Returns:
        int64[N], fold of each row, 0, 1, …
    """
    sizes = {str(fold): len(range(fold, len(labels), folds)) for fold in range(folds)}
    splits = grouped_split(labels, groups, sizes, seed, exact=False)
    numbers = np.full(len(labels), -1, dtype=np.int64)
    for fold in range(folds):
        numbers[splits[str(fold)]] = fold
    for group in np.unique(groups[numbers < 0]):
        counts = np.bincount(numbers[numbers >= 0], minlength=folds)
        numbers[groups == group] = counts.argmin()
    return numbers


def fold_corpus(corpus: Corpus, fold: tuple[int, int], seed: int) -> Corpus:
    """Corpus that validates on one fold of its train split and trains on the others.

    Training and validation rows are dealt anew, those of a movie and the copies of a text to one
    fold. The test rows are left out.

    Args:
        corpus: the corpus.
        fold: number of the fold, from 0, and number of folds.
        seed: random seed of the folds.

    Raises:
        DataError: a fold is empty, or the other folds have no row of some class.
    """
    number, folds = fold
    rows = np.union1d(corpus.train_rows, corpus.val_rows)
    labels = corpus.train.labels[rows]
    groups = merge_groups(corpus.train.groups, corpus.train.texts)[rows]
    held_out = grouped_folds(strata(labels), groups, folds, seed) == number
    if not held_out.any() or occurring(labels[~held_out]) < occurring(labels):
        raise DataError(
            f"fold {number + 1} of {folds}: {len(rows):,} rows in {len(np.unique(groups)):,} "
            "groups (movies, copies of one text) leave it empty, or leave the others without one "
            "of the classes; give more rows, or set --run.folds lower"
        )
    return replace(corpus, train_rows=rows[~held_out], val_rows=rows[held_out], test=None)
