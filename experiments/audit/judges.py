"""Who judges the labels of a split: models in folds, or the stored predictions of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datamodules.text import TextDataModule
from experiments.audit.parts import Rows
from experiments.config.registry import ConfigError
from experiments.inference.members import Member, find_member
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import FOLDS, Part
from experiments.statistics.reading import read_run_predictions, rows_fingerprint

_OF_TEST: tuple[Part, ...] = ("test_refit", "test")  # the weights that a run keeps come first


@dataclass(frozen=True, eq=False)
class Judged:
    """Labels of a split with the probabilities by which they are judged.

    Attributes:
        split: `train` or `test`.
        by: Who predicted, in words.
        labels: int64[N].
        probabilities: float64[N, C] by models that did not learn from the row; NaN where a row is
            not judged.
    """

    split: str
    by: str
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Numbers of the rows that are judged."""
        return np.flatnonzero(~np.isnan(self.probabilities).any(axis=1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """bool[M], whether the most probable class of each judged row is its label."""
        rows = self.rows
        right: NDArray[np.bool_] = self.probabilities[rows].argmax(axis=1) == self.labels[rows]
        return right


def judges_of_runs(names: Sequence[str], data: TextDataModule, rows: Rows) -> dict[str, Judged]:
    """Read the stored predictions of runs.

    A run of cross-validation (`--run.folds`) judges train, by what each fold was predicted by a
    model of the others. Any other run has learnt from train alone and judges test. Several runs for
    one split are averaged: the mean of the logarithms of their probabilities.

    Args:
        names: Run folders, or published rows as `TABLE.jsonl:EXPERIMENT[:SEED]`.
        data: The corpus.
        rows: Its rows.

    Returns:
        The judged splits, by name.

    Raises:
        ConfigError: There is no such run, or it has nothing to judge by.
        ResultsError: Its predictions are missing, were changed, or are of another corpus.
    """
    found: dict[str, list[tuple[str, NDArray[np.float64]]]] = {}
    for name in names:
        member = find_member(name)
        split, predictions = _predictions(name, member)
        labels = rows.labels[rows.of(split)]
        _check_rows(name, member, data, split, labels, predictions)
        probabilities = np.full((len(labels), len(rows.label_names)), np.nan)
        probabilities[predictions.ids] = predictions.probabilities
        found.setdefault(split, []).append((member.row.experiment, probabilities))
    return {
        split: Judged(
            split,
            f"stored predictions of {' and '.join(dict.fromkeys(name for name, _ in judges))}",
            rows.labels[rows.of(split)],
            _mean([probabilities for _, probabilities in judges]),
        )
        for split, judges in found.items()
    }


def _predictions(name: str, member: Member) -> tuple[str, Predictions]:
    parts = read_run_predictions(member.row, member.source)
    if member.row.protocol == FOLDS:
        return "train", parts["val"]
    for part in _OF_TEST:
        if part in parts:
            return "test", parts[part]
    raise ConfigError(
        f"{name}: has no predictions of test, and of train none by models that did not learn from "
        "it; test it with `lit-sentiment test`, or fit it with --run.folds 5"
    )


def _check_rows(
    name: str,
    member: Member,
    data: TextDataModule,
    split: str,
    labels: NDArray[np.int64],
    predictions: Predictions,
) -> None:
    """Check that predictions are of this corpus: its texts, or the official test rows."""
    row = member.row
    same = row.corpus_fingerprint == data.fingerprint
    if not same and split == "test" and data.task is not None and row.task == data.task:
        every = np.arange(len(labels))
        ours = Predictions(every, labels, np.full((len(labels), 2), 0.5))
        same = rows_fingerprint(ours) == rows_fingerprint(predictions)
    if not same:
        raise ConfigError(
            f"{name}: is of corpus {row.corpus!r} ({row.corpus_fingerprint}), and the audited one "
            f"is {data.head.name!r} ({data.fingerprint}); name a run on the same corpus"
        )


def _mean(probabilities: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean of the logarithms, normalised; one alone as it is."""
    if len(probabilities) == 1:
        return probabilities[0]
    tiny = np.finfo(np.float64).tiny
    logs = np.mean([np.log(np.maximum(one, tiny)) for one in probabilities], axis=0)
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    mean: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return mean
