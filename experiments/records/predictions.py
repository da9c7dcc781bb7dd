"""Predictions of one split as checked arrays, and the Parquet file of outputs of any kind."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.atomic import replace_bytes
from experiments.records.metrics import Metrics, evaluate, predicted_classes
from experiments.records.problems.hypotheses import Hypotheses
from experiments.records.problems.label_sets import LabelSets
from experiments.records.problems.outputs import Outputs, check_ids
from experiments.records.problems.scores import Scores
from experiments.records.problems.tag_counts import TagCounts
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


_KINDS: dict[str, type[Outputs]] = {
    "hypothesis": Hypotheses,
    "averaged": TagCounts,
    "has_0": LabelSets,
    "log_probability": Scores,
}
"""Outputs by a column that none of those below has; any other file has predictions of classes."""


def write_predictions(path: Path, outputs: Outputs) -> None:
    """Write the columns of outputs, and groups if known, as Parquet in id order, atomically.

    Raises:
        OSError: As raised by the file system.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = outputs.in_id_order()
    columns = rows.columns()
    if rows.groups is not None:
        columns["group"] = rows.groups
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    replace_bytes(path, buffer.getvalue())


def read_outputs(path: Path) -> Outputs:
    """Read and check a file of `write_predictions`, of any kind of problem; rows in id order.

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
    for name in table.column_names:
        if table[name].null_count:
            raise ResultsError(f"{path}: column {name!r} has empty cells; {remedy}")
    columns = {name: table[name].to_numpy() for name in table.column_names}
    groups = columns.pop("group", None)
    # Here, as they are predictions themselves.
    from experiments.records.problems.regressions import SCALES, Regressions

    kinds: dict[str, type[Outputs]] = {**_KINDS, **dict.fromkeys(SCALES, Regressions)}
    kind = next((kind for name, kind in kinds.items() if name in columns), Predictions)
    try:
        return kind.from_columns(columns, groups).in_id_order()
    except ResultsError as error:
        raise ResultsError(f"{path}: {error}; {remedy}") from None


def read_predictions(path: Path) -> Predictions:
    """Read the predictions of a classifier.

    Raises:
        ResultsError: As `read_outputs`, or the file is that of another kind of problem.
    """
    found = read_outputs(path)
    if not isinstance(found, Predictions):
        raise ResultsError(f"{path}: holds {type(found).__name__}, not predictions of classes")
    return found
