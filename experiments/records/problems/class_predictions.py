"""Predictions of classes for one split as checked arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import Metrics, evaluate, predicted_classes
from experiments.records.problems.outputs import Outputs, check_ids
from experiments.records.row import ResultsError


@dataclass(frozen=True, eq=False)
class Predictions(Outputs):
    """Probabilities of every class for every row of one split.

    Attributes:
        ids: int64[N], row numbers in the split's fixed order; each once, not negative.
        labels: int64[N].
        probabilities: float32 or float64 [N, C].
        groups: int64[N], what each row is about, such as the number of its movie; None where each
            row is a group of its own, or where it is not known.

    Raises:
        ResultsError: Shapes or types that do not fit, a negative or repeated id.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.floating]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = self.ids.shape
        shapes = (n, self.labels.shape, self.probabilities.shape)
        if len(n) != 1 or self.labels.shape != n or self.probabilities.shape[:1] != n:
            raise ResultsError(
                f"ids, labels and probabilities have shapes {shapes}; they must be [N], [N], [N, C]"
            )
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] < 2:
            raise ResultsError(
                f"probabilities have shape {shapes[2]}; they need at least 2 columns"
            )
        if self.probabilities.dtype not in (np.float32, np.float64):
            raise ResultsError(
                f"probabilities have dtype {self.probabilities.dtype}; convert them to float32"
            )
        if self.labels.dtype != np.int64:
            raise ResultsError(f"labels have dtype {self.labels.dtype}; convert them to int64")
        check_ids(self.ids, self.groups)

    def evaluate(self, threshold: float | None = None) -> Metrics:
        """Metrics of the predictions; the threshold is the row's (`predicted_classes`)."""
        return evaluate(self.labels, self.probabilities, threshold)

    def predicted(self, threshold: float | None) -> NDArray[np.int64]:
        """int64[N] predicted classes; the threshold is the row's (`predicted_classes`)."""
        return predicted_classes(self.probabilities, threshold)

    def columns(self) -> dict[str, NDArray]:
        """`id, label, prob_0, prob_1, …`."""
        columns: dict[str, NDArray] = {"id": self.ids, "label": self.labels}
        for label in range(self.probabilities.shape[1]):
            columns[f"prob_{label}"] = np.ascontiguousarray(self.probabilities[:, label])
        return columns

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Predictions of the columns of a file."""
        classes = max(2, len(columns) - 2)
        expected = ["id", "label", *(f"prob_{label}" for label in range(classes))]
        if list(columns) != expected:
            missing = [name for name in expected if name not in columns]
            what = f"column {missing[0]!r} is missing" if missing else "the order differs"
            raise ResultsError(f"columns are {list(columns)}; they must be {expected} ({what})")
        probabilities = np.stack([columns[name] for name in expected[2:]], axis=1)
        return cls(columns["id"], columns["label"], probabilities, groups)
