"""Counts of the tags that a model gave to the words of each text of one split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.outputs import Outputs, check_ids
from experiments.records.problems.tagging_metrics import TagFigures, TaggingMetrics
from experiments.records.row import ResultsError

_FIRST = ("id", "log_probability", "words", "averaged")
_COUNTS = ("right", "tagged", "there")
MOST = 2**31
"""Largest count in a text, so that sums are exact."""


@dataclass(frozen=True, eq=False)
class TagCounts(Outputs):
    """Counts of tags.

    Attributes:
        ids: int64[N], row numbers in the split's fixed order; each once, not negative.
        log_probabilities: float32[N], ln p of the right tags of a text.
        words: int64[N], number of words, each from 1 to `MOST`.
        counts: int64[N, C, 3], for each kind of tag how many are right, are tagged, and are there.
        kinds: C names.
        averaged: Number of the first of these whose F1 scores are averaged to the main figure.
        groups: As in `Outputs`.

    Raises:
        ResultsError: Shapes, types or values that do not fit.
    """

    ids: NDArray[np.int64]
    log_probabilities: NDArray[np.float32]
    words: NDArray[np.int64]
    counts: NDArray[np.int64]
    kinds: tuple[str, ...]
    averaged: int
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_ids(self.ids, self.groups)
        shape = (*self.ids.shape, len(self.kinds), len(_COUNTS))
        for name, kind, wanted in (
            ("log_probabilities", np.float32, self.ids.shape),
            ("words", np.int64, self.ids.shape),
            ("counts", np.int64, shape),
        ):
            values = getattr(self, name)
            if values.shape != wanted or values.dtype != kind:
                raise ResultsError(
                    f"{name} are {values.dtype}{list(values.shape)}; they must be "
                    f"{np.dtype(kind)}{list(wanted)}"
                )
        if not 1 <= self.averaged <= len(self.kinds):
            raise ResultsError(f"averaged is {self.averaged}, of {len(self.kinds)} kinds of tags")
        if not (self.log_probabilities <= 1e-3).all():  # of float32 sums
            raise ResultsError("a log-probability is above 0, or NaN (did training diverge?)")
        if len(self.words) and not (self.words.min() >= 1 and self.words.max() <= MOST):
            raise ResultsError(f"words must be at least 1, at most {MOST:,} a text")
        right, tagged, there = self.counts.transpose(2, 0, 1)
        most = np.minimum(np.minimum(tagged, there), self.words[:, None])
        beyond = np.maximum(tagged, there) > self.words[:, None]
        if ((right < 0) | (right > most) | beyond).any():
            raise ResultsError("a count is not one of a text with so many words")

    def evaluate(self, threshold: float | None = None) -> TaggingMetrics:
        """F1 scores; there is no threshold."""
        if not len(self.ids):
            raise ValueError("0 texts were given; metrics need at least 1")
        sums = self.counts.sum(axis=0).tolist()
        kinds = [TagFigures.of(name, *three) for name, three in zip(self.kinds, sums, strict=True)]
        main = [kind.f1 for kind in kinds[: self.averaged] if kind.f1 is not None]
        total, words = float(self.log_probabilities.astype(np.float64).sum()), int(self.words.sum())
        return TaggingMetrics(
            f1=sum(main) / len(main) if main else 0.0,
            log_loss=-total / words,
            n=len(self.ids),
            words=words,
            kinds=kinds,
        )

    def columns(self) -> dict[str, NDArray]:
        """`id, log_probability, words, averaged`, and `right NAME, tagged NAME, there NAME`, …"""
        averaged = np.full(len(self.ids), self.averaged, dtype=np.int64)
        values = (self.ids, self.log_probabilities, self.words, averaged)
        columns: dict[str, NDArray] = dict(zip(_FIRST, values, strict=True))
        for place, kind in enumerate(self.kinds):
            for number, name in enumerate(_COUNTS):
                columns[f"{name} {kind}"] = np.ascontiguousarray(self.counts[:, place, number])
        return columns

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Counts of the columns of a file."""
        names = list(columns)
        kinds = tuple(name.partition(" ")[2] for name in names[len(_FIRST) :: len(_COUNTS)])
        wanted = [*_FIRST, *(f"{name} {kind}" for kind in kinds for name in _COUNTS)]
        if names != wanted or not kinds:
            raise ResultsError(f"columns are {names}; they must be {wanted}, with kinds of tags")
        ids, log_probabilities, words, averaged = (columns[name] for name in _FIRST)
        if len(np.unique(averaged)) > 1:
            raise ResultsError(f"averaged is {np.unique(averaged)}; it must be one number")
        counts = np.stack([columns[name] for name in names[len(_FIRST) :]], axis=1)
        counts = counts.reshape(len(ids), len(kinds), len(_COUNTS))
        number = int(averaged[0]) if len(averaged) else 1
        return cls(ids, log_probabilities, words, counts, kinds, number, groups)
