"""Outputs: what a model gave for every row of one split, whatever the kind of problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.row import ResultsError


class Outputs(ABC):
    """Outputs of a model for the rows of a split.

    Attributes:
        ids: int64[N], row numbers in the split's fixed order; each once, not negative.
        groups: int64[N], what each row is about, such as the number of its movie; None where each
            row is a group of its own, or where it is not known.
    """

    ids: NDArray[np.int64]
    groups: NDArray[np.int64] | None

    @abstractmethod
    def evaluate(self, threshold: float | None = None) -> Any:
        """Metrics of the outputs; the threshold is the row's."""

    @abstractmethod
    def columns(self) -> dict[str, NDArray]:
        """Columns of the file in a run folder, `id` first; its groups are not among them."""

    @classmethod
    @abstractmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Outputs of the columns of a file.

        Raises:
            ResultsError: columns that are not those of such a file, or do not fit one another.
        """

    def in_id_order(self) -> Self:
        """The rows by ascending id, the order of all files."""
        order = np.argsort(self.ids)
        groups = None if self.groups is None else self.groups[order]
        return self.from_columns({k: v[order] for k, v in self.columns().items()}, groups)

    def with_groups(self, groups: NDArray[np.int64] | None) -> Self:
        """The same rows with other groups."""
        return self.from_columns(self.columns(), groups)


def check_ids(ids: NDArray[np.int64], groups: NDArray[np.int64] | None) -> None:
    """Check the ids and groups of outputs.

    Raises:
        ResultsError: Shapes or types that do not fit, a negative or repeated id.
    """
    n = ids.shape
    if groups is not None and (groups.shape != n or groups.dtype != np.int64):
        raise ResultsError(f"groups are {groups.dtype}{list(groups.shape)}; they must be int64[N]")
    if ids.dtype != np.int64:
        raise ResultsError(f"ids have dtype {ids.dtype}; convert them to int64")
    if len(n) != 1:
        raise ResultsError(f"ids have shape {n}; they must be [N]")
    if len(ids) and ids.min() < 0:
        raise ResultsError(f"id {ids.min()} is negative; ids are row numbers from 0")
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1]
        raise ResultsError(
            f"id {twice[0]} occurs {counts[counts > 1][0]} times ({len(twice)} ids repeat); "
            "every row is predicted once (was a distributed sampler padding the split?)"
        )
