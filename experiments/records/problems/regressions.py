"""Regressions: classes predicted by the sign of a value, whose error is measured too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import Metrics
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import ResultsError

SCALES = {"sign": (-1, 1), "stars": (1, 10)}
"""Lowest and highest true value in each unit; their middle separates the two classes."""
SLOPE = 2.0
"""Log-odds of the highest value, as `lit_models.linear_regression` has them."""


@dataclass(frozen=True, eq=False)
class Regressions(Predictions):
    """Probabilities of two classes that have a predicted value in them, and the true values.

    Attributes:
        unit: Of the values, a key of `SCALES`; the name of their column.
        targets: int64[N], true value of each row.

    Raises:
        ResultsError: As of `Predictions`; an unknown unit, or values outside its scale or on the
            other side of its middle than their label.
    """

    unit: str = "sign"
    targets: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in SCALES:
            raise ResultsError(f"unit is {self.unit!r}; it must be one of {tuple(SCALES)}")
        if self.probabilities.shape[1] != 2:
            raise ResultsError(f"{self.probabilities.shape[1]} classes; a regression has 2")
        if self.targets.shape != self.ids.shape or self.targets.dtype != np.int64:
            raise ResultsError(
                f"{self.unit} are {self.targets.dtype}{list(self.targets.shape)}; they must be "
                f"int64{list(self.ids.shape)}"
            )
        low, high = SCALES[self.unit]
        wrong = (self.targets < low) | (self.targets > high)
        wrong |= (2 * self.targets > low + high) != (self.labels == 1)
        if wrong.any():
            row = int(wrong.argmax())
            raise ResultsError(
                f"row {self.ids[row]} has the label {self.labels[row]} and {self.targets[row]} "
                f"{self.unit}; values are in {low} … {high}, those of label 1 above the middle"
            )

    @classmethod
    def of(cls, predictions: Predictions, unit: str, targets: NDArray[np.int64]) -> Self:
        """Predictions with the true values of their rows, int64[N]."""
        ids, labels, probabilities = predictions.ids, predictions.labels, predictions.probabilities
        return cls(ids, labels, probabilities, predictions.groups, unit, targets)

    @property
    def values(self) -> NDArray[np.float64]:
        """float64[N] predicted values: the scale's middle, and half of it for log-odds of 2."""
        low, high = SCALES[self.unit]
        odds = np.log(np.maximum(self.probabilities.astype(np.float64), np.finfo(np.float64).tiny))
        line: NDArray[np.float64] = (odds[:, 1] - odds[:, 0]) / SLOPE
        return (low + high) / 2 + (high - low) / 2 * line

    def evaluate(self, threshold: float | None = None) -> Metrics:
        """As of `Predictions`, with the mean absolute error of the values."""
        error = float(np.abs(self.values - self.targets).mean())
        return dataclasses.replace(super().evaluate(threshold), mae=error)

    def columns(self) -> dict[str, NDArray]:
        """`id, label, prob_0, prob_1`, and the true value, by its unit."""
        return super().columns() | {self.unit: self.targets}

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Regressions of the columns of a file."""
        unit = list(columns)[-1]
        rest = {name: values for name, values in columns.items() if name != unit}
        return cls.of(Predictions.from_columns(rest, groups), unit, columns[unit])


def with_values(
    predictions: Predictions,
    part: str,
    arrays: Mapping[str, NDArray],
    update: Callable[[bytes], None],
) -> Predictions:
    """Predictions with the true values of an evidence file, which go into its checksum too."""
    for unit in SCALES:
        if (stored := arrays.get(f"{part}_{unit}")) is not None:
            targets = stored.astype(np.int64)
            update(unit.encode() + targets.astype("<i8").tobytes())
            return Regressions.of(predictions, unit, targets)
    return predictions
