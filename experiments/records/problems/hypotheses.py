"""Hypotheses: what a model wrote for each text of one split, and how far it is from right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.outputs import Outputs, check_ids
from experiments.records.problems.transcription_metrics import TranscriptionMetrics
from experiments.records.row import ResultsError
from lit_models.sequences.edit_distance import edit_distance

COLUMNS = ("id", "hypothesis", "log_probability", "distance", "answer_length")
MOST = 2**20
"""Largest length of a string, so that sums are exact."""


@dataclass(frozen=True, eq=False)
class Hypotheses(Outputs):
    """Strings written for texts.

    Attributes:
        ids: int64[N], row numbers in the split's fixed order; each once, not negative.
        strings: N strings, each symbol a byte from 1 to 255.
        log_probabilities: float32[N], ln p of each as the model gives it.
        distances: int64[N], edit distance of each from the nearest right answer.
        answer_lengths: int64[N], number of symbols of that answer, each from 1 to `MOST`.
        groups: As in `Outputs`.

    Raises:
        ResultsError: Shapes, types or values that do not fit.
    """

    ids: NDArray[np.int64]
    strings: Sequence[bytes]
    log_probabilities: NDArray[np.float32]
    distances: NDArray[np.int64]
    answer_lengths: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_ids(self.ids, self.groups)
        for name, kind in (
            ("log_probabilities", np.float32),
            ("distances", np.int64),
            ("answer_lengths", np.int64),
        ):
            values = getattr(self, name)
            if values.shape != self.ids.shape or values.dtype != kind:
                raise ResultsError(
                    f"{name} are {values.dtype}{list(values.shape)}; they must be "
                    f"{np.dtype(kind)}{list(self.ids.shape)}"
                )
        if len(self.strings) != len(self.ids):
            raise ResultsError(f"{len(self.strings)} strings for {len(self.ids)} ids")
        if not all(isinstance(one, bytes) and 0 not in one for one in self.strings):
            raise ResultsError("a string is no bytes, or has the symbol 0, which is its end")
        if not (self.log_probabilities <= 1e-3).all():  # of float32 sums
            raise ResultsError("a log-probability is above 0, or NaN (did training diverge?)")
        lengths, answers = self.lengths, self.answer_lengths
        if len(answers) and not (answers.min() >= 1 and answers.max() <= MOST):
            raise ResultsError(f"answer_lengths must be at least 1, at most {MOST:,}")
        least, most = np.abs(lengths - answers), np.maximum(lengths, answers)
        if not ((self.distances >= least) & (self.distances <= most)).all():
            raise ResultsError("a distance is not one of strings of these lengths")

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64[N], number of symbols of each string."""
        return np.array([len(one) for one in self.strings], dtype=np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool[N], whether a right answer was written."""
        return self.distances == 0

    def evaluate(self, threshold: float | None = None) -> TranscriptionMetrics:
        """Error rates; there is no threshold."""
        if not len(self.ids):
            raise ValueError("0 texts were given; metrics need at least 1")
        symbols = int(self.answer_lengths.sum())
        return TranscriptionMetrics(
            symbol_error_rate=int(self.distances.sum()) / symbols,
            string_error_rate=float((~self.right).mean()),
            n=len(self.ids),
            symbols=symbols,
        )

    def columns(self) -> dict[str, NDArray]:
        """`id, hypothesis, log_probability, distance, answer_length`."""
        strings = np.empty(len(self.strings), dtype=object)
        strings[:] = list(self.strings)
        values = (self.ids, strings, self.log_probabilities, self.distances, self.answer_lengths)
        return dict(zip(COLUMNS, values, strict=True))

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Hypotheses of the columns of a file."""
        if tuple(columns) != COLUMNS:
            raise ResultsError(f"columns are {list(columns)}; they must be {list(COLUMNS)}")
        ids, strings, log_probabilities, distances, answer_lengths = columns.values()
        return cls(ids, list(strings), log_probabilities, distances, answer_lengths, groups)


def nearest(written: Sequence[int], answers: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Edit distance from the nearest of several right answers, and the length of that answer.

    Of equally near ones the longest counts, so that the order of the answers does not matter.
    """
    return min(((edit_distance(written, one), len(one)) for one in answers), key=_near)


def _near(found: tuple[int, int]) -> tuple[int, int]:
    distance, length = found
    return distance, -length
