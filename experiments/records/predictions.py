"""Predictions of one split: checked arrays and their Parquet file."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.records.atomic import replace_bytes
from experiments.records.metrics import predicted_classes
from experiments.records.row import ResultsError


@dataclass(frozen=True, eq=False)
class Predictions:
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
        if self.groups is not None and (self.groups.shape != n or self.groups.dtype != np.int64):
            raise ResultsError(
                f"groups are {self.groups.dtype}{list(self.groups.shape)}; they must be int64[N]"
            )
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
        for name, values in (("ids", self.ids), ("labels", self.labels)):
            if values.dtype != np.int64:
                raise ResultsError(f"{name} have dtype {values.dtype}; convert them to int64")
        if len(self.ids) and self.ids.min() < 0:
            raise ResultsError(f"id {self.ids.min()} is negative; ids are row numbers from 0")
        values, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            twice = values[counts > 1]
            raise ResultsError(
                f"id {twice[0]} occurs {counts[counts > 1][0]} times ({len(twice)} ids repeat); "
                "every row is predicted once (was a distributed sampler padding the split?)"
            )

    def predicted(self, threshold: float | None) -> NDArray[np.int64]:
        """int64[N] predicted classes; the threshold is the row's (`predicted_classes`)."""
        return predicted_classes(self.probabilities, threshold)

    def in_id_order(self) -> "Predictions":
        """Sort the rows by ascending id, the order of both file formats."""
        order = np.argsort(self.ids)
        groups = None if self.groups is None else self.groups[order]
        return Predictions(self.ids[order], self.labels[order], self.probabilities[order], groups)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write `id, label, group (if known), prob_0, prob_1, …` as Parquet in id order, atomically.

    Raises:
        OSError: As raised by the file system.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = predictions.in_id_order()
    columns: dict[str, NDArray] = {"id": rows.ids, "label": rows.labels}
    if rows.groups is not None:
        columns["group"] = rows.groups
    for label in range(rows.probabilities.shape[1]):
        columns[f"prob_{label}"] = np.ascontiguousarray(rows.probabilities[:, label])
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    replace_bytes(path, buffer.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read and check a file of `write_predictions`; rows in id order.

    Raises:
        ResultsError: No such file, not Parquet, missing or further columns, empty cells, repeated
            ids; the message names the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    remedy = "run the experiment again (or `lit-sentiment test RUN`) to write it"
    if not path.is_file():
        raise ResultsError(f"{path}: no such file; {remedy}")
    try:
        # Opened here, because pyarrow would take a path such as `seed=0/…` for a partition.
        with path.open("rb") as stream:
            table = pq.read_table(stream)
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{path}: not a readable Parquet file ({error}); {remedy}") from error
    first = ["id", "label", *(["group"] if "group" in table.column_names else [])]
    classes = max(2, table.num_columns - len(first))
    expected = [*first, *(f"prob_{label}" for label in range(classes))]
    if table.column_names != expected:
        missing = [name for name in expected if name not in table.column_names]
        what = f"column {missing[0]!r} is missing" if missing else "the order differs"
        raise ResultsError(
            f"{path}: columns are {table.column_names}; they must be {expected} ({what}); {remedy}"
        )
    for name in expected:
        if table[name].null_count:
            raise ResultsError(f"{path}: column {name!r} has empty cells; {remedy}")
    columns = {name: table[name].to_numpy() for name in expected}
    probabilities = np.stack([columns[name] for name in expected[len(first) :]], axis=1)
    try:
        rows = columns["id"], columns["label"], probabilities, columns.get("group")
        return Predictions(*rows).in_id_order()
    except ResultsError as error:
        raise ResultsError(f"{path}: {error}") from None
