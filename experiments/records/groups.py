"""Groups of published rows: the movie of each review, once for all rows of a table.

`<published>/<table>.groups.npz` has, for each corpus, the groups of its train and test rows by id,
so that a fresh clone computes every interval without the corpus.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.records.atomic import replace_bytes
from experiments.records.problems.outputs import Outputs
from experiments.records.row import Part, ResultsError

UNKNOWN = -1
_SPLITS: dict[Part, str] = {"val": "train", "test": "test", "test_refit": "test"}


def groups_file(folder: Path, table: str) -> Path:
    """File of the groups of a published table."""
    return folder / f"{table}.groups.npz"


def add_groups(file: Path, corpus: str, parts: Mapping[Part, Outputs]) -> None:
    """Add the groups of a run's predictions to a file, which is made if need be.

    Args:
        file: The file.
        corpus: Fingerprint of the run's corpus.
        parts: Its predictions; those whose groups are not known add nothing.

    Raises:
        ResultsError: A row has another group there, or the file is damaged.
        OSError: As raised by the file system.
    """
    arrays = _read(file)
    before = {name: values.copy() for name, values in arrays.items()}
    for part, predictions in parts.items():
        if predictions.groups is None or not len(predictions.ids):
            continue
        name = f"{corpus}_{_SPLITS[part]}"
        known = arrays.get(name, np.empty(0, dtype=np.int64))
        grown = np.full(max(len(known), int(predictions.ids.max()) + 1), UNKNOWN, dtype=np.int64)
        grown[: len(known)] = known
        there = grown[predictions.ids]
        other = (there != UNKNOWN) & (there != predictions.groups)
        if other.any():
            row = int(predictions.ids[other][0])
            raise ResultsError(
                f"{file}: row {row} of {name} has group {grown[row]}, the run says "
                f"{predictions.groups[other][0]}; they come from different corpora"
            )
        grown[predictions.ids] = predictions.groups
        arrays[name] = grown
    if arrays.keys() == before.keys() and all(np.array_equal(arrays[n], before[n]) for n in arrays):
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    replace_bytes(file, buffer.getvalue())


def with_groups(
    parts: Mapping[Part, Outputs], file: Path, corpus: str | None
) -> dict[Part, Outputs]:
    """Predictions with the groups in a file; without where any of a part's rows is unknown.

    Raises:
        ResultsError: The file is damaged.
    """
    arrays = _read(file)
    found: dict[Part, Outputs] = {}
    for part, predictions in parts.items():
        known = arrays.get(f"{corpus}_{_SPLITS[part]}", np.empty(0, dtype=np.int64))
        groups = None
        if len(predictions.ids) and predictions.ids.max() < len(known):
            groups = known[predictions.ids]
        complete = groups is not None and (groups != UNKNOWN).all()
        found[part] = predictions.with_groups(groups if complete else None)
    return found


def _read(file: Path) -> dict[str, NDArray[np.int64]]:
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name].astype(np.int64) for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        remedy = "restore it from version control, or publish a run again"
        raise ResultsError(f"{file}: not a file of groups ({error}); {remedy}") from error
