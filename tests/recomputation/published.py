"""Published files, read without the program: rows, logs, evidence and movies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = ("val", "test", "test_refit")
_SPLIT = {"val": "train", "test": "test", "test_refit": "test"}
_COUNTS = 65535  # of format 1


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions of one part of a run, in the order of ids.

    Attributes:
        labels: int[N], 0 or 1.
        chances: float[N], probability of class 1.
        others: float[N], that of class 0; kept beside it, since 1 - 1e-20 is 1.
        order: float[N], by which reviews are ranked: log-odds, or counts in format 1.
        movies: int[N].
        threshold: least probability of class 1 to predict it; None: that it is the higher one.
        errors: float[N], absolute errors of a regression's values; None: it is none.
    """

    labels: NDArray[np.int64]
    chances: NDArray[np.float64]
    others: NDArray[np.float64]
    order: NDArray[np.float64]
    movies: NDArray[np.int64]
    threshold: float | None
    errors: NDArray[np.float64] | None = None

    @property
    def likelier(self) -> NDArray[np.bool_]:
        """True where class 1 is the most probable; of two equal ones class 0 is."""
        return self.chances > self.others

    @property
    def called(self) -> NDArray[np.bool_]:
        """True where class 1 is predicted."""
        return self.likelier if self.threshold is None else self.chances >= self.threshold

    @property
    def right(self) -> NDArray[np.bool_]:
        """True where the predicted class is the label."""
        return self.called == (self.labels == 1)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Objects of a JSONL file; none if there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def read_answers(folder: Path, row: dict[str, Any]) -> dict[str, Answers]:
    """Predictions behind a row of a published table, by part."""
    file = folder / row["evidence"]["file"]
    movies = _read(folder / f"{file.parent.name}.groups.npz")
    with np.load(file) as archive:
        arrays = dict(archive)
    parts = {}
    for part in PARTS:
        if f"{part}_labels" not in arrays:
            continue
        ids = np.cumsum(arrays[f"{part}_id_steps"].astype(np.int64))
        if int(arrays["format"]) == 1:
            order = arrays[f"{part}_counts"][0].astype(np.float64)
            chances, others = order / _COUNTS, (_COUNTS - order) / _COUNTS
        else:
            order = arrays[f"{part}_log_odds"][0].astype(np.float64)
            small = np.exp(-np.abs(order))  # of the less probable class, times the sum
            high, low = 1 / (1 + small), small / (1 + small)
            chances, others = np.where(order > 0, (high, low), (low, high))
        # Format 1 had no name for the test predictions of a second fit.
        name = part
        if int(arrays["format"]) == 1 and part == "test" and row["protocol"] == "refit":
            name = "test_refit"
        parts[name] = Answers(
            labels=arrays[f"{part}_labels"].astype(np.int64),
            chances=chances,
            others=others,
            order=order,
            movies=movies[f"{row['corpus_fingerprint']}_{_SPLIT[part]}"][ids],
            threshold=row.get("threshold"),
            errors=_errors(arrays, part) if int(arrays["format"]) == 8 else None,
        )
    return parts


def _errors(arrays: dict[str, Any], part: str) -> NDArray[np.float64]:
    """Absolute errors of the values of format 8: log-odds of 2 are the end of the scale."""
    odds = arrays[f"{part}_log_odds"][0].astype(np.float64)
    if f"{part}_stars" in arrays:
        return np.abs(5.5 + 2.25 * odds - arrays[f"{part}_stars"])
    return np.abs(odds / 2 - arrays[f"{part}_sign"])


@cache
def _read(file: Path) -> dict[str, NDArray[np.int64]]:
    with np.load(file) as archive:
        return dict(archive)
