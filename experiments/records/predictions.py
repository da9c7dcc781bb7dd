"""The Parquet file of the outputs for one split, of any kind of problem."""

import io
from pathlib import Path

from experiments.records.atomic import replace_bytes
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.hypotheses import Hypotheses
from experiments.records.problems.label_sets import LabelSets
from experiments.records.problems.outputs import Outputs
from experiments.records.problems.regressions import SCALES, Regressions
from experiments.records.problems.scores import Scores
from experiments.records.problems.tag_counts import TagCounts
from experiments.records.row import ResultsError

_KINDS: dict[str, type[Outputs]] = {
    "hypothesis": Hypotheses,
    "averaged": TagCounts,
    "has_0": LabelSets,
    "log_probability": Scores,
    **dict.fromkeys(SCALES, Regressions),
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
    kind = next((kind for name, kind in _KINDS.items() if name in columns), Predictions)
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
