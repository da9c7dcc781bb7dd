"""LabelSets: probabilities of the labels of each text of one split, any number of which it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.label_metrics import (
    MultiLabelMetrics,
    evaluate_labels,
    predicted_labels,
)
from experiments.records.problems.outputs import Outputs, check_ids
from experiments.records.row import ResultsError


@dataclass(frozen=True, eq=False)
class LabelSets(Outputs):
    """Probabilities of every label, each for itself, for every text of one split.

    Attributes:
        ids: int64[N], row numbers in the split's fixed order; each once, not negative.
        labels: int8[N, C], 1 for each label that a text has, else 0.
        probabilities: float32 or float64 [N, C], each in 0..1.
        groups: As in `Outputs`.

    Raises:
        ResultsError: Shapes, types or values that do not fit.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int8]
    probabilities: NDArray[np.floating]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_ids(self.ids, self.groups)
        shape = self.probabilities.shape
        if len(shape) != 2 or shape[0] != len(self.ids) or self.labels.shape != shape:
            raise ResultsError(
                f"ids, labels and probabilities have shapes "
                f"{(self.ids.shape, self.labels.shape, shape)}; they must be [N], [N, C], [N, C]"
            )
        if self.probabilities.dtype not in (np.float32, np.float64):
            raise ResultsError(
                f"probabilities have dtype {self.probabilities.dtype}; convert them to float32"
            )
        if self.labels.dtype != np.int8 or not np.isin(self.labels, (0, 1)).all():
            raise ResultsError(f"labels are {self.labels.dtype}; they must be int8, 0 or 1")

    def evaluate(self, threshold: float | None = None) -> MultiLabelMetrics:
        """Metrics of the predictions; the threshold is the row's (`predicted_labels`)."""
        return evaluate_labels(self.labels, self.probabilities, threshold)

    def predicted(self, threshold: float | None) -> NDArray[np.bool_]:
        """bool[N, C] predicted labels; the threshold is the row's (`predicted_labels`)."""
        return predicted_labels(self.probabilities, threshold)

    def columns(self) -> dict[str, NDArray]:
        """`id, has_0, has_1, …, prob_0, prob_1, …`."""
        columns: dict[str, NDArray] = {"id": self.ids}
        for name, values in (("has", self.labels), ("prob", self.probabilities)):
            for label in range(values.shape[1]):
                columns[f"{name}_{label}"] = np.ascontiguousarray(values[:, label])
        return columns

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Label sets of the columns of a file."""
        classes = range((len(columns) - 1) // 2)
        expected = [f"{name}_{label}" for name in ("has", "prob") for label in classes]
        if list(columns) != ["id", *expected]:
            raise ResultsError(f"columns are {list(columns)}; they must be {['id', *expected]}")
        values = [columns[name] for name in expected]
        labels = np.stack(values[: len(classes)], axis=1)
        return cls(columns["id"], labels, np.stack(values[len(classes) :], axis=1), groups)
