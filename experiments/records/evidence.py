"""Compact files of the predictions behind published rows.

A probability is stored as a count of 65535ths. One class is left out, since it is the remainder,
ids are stored as differences, and both splits go into one compressed .npz: about 60 kB for 27,500
reviews.
"""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.records.atomic import replace_bytes
from experiments.records.predictions import Predictions
from experiments.records.row import ResultsError

FORMAT = 1
SCALE = 65535
SPLITS = ("test", "val")


@dataclass(frozen=True, eq=False)
class Evidence:
    """Predictions read back from an evidence file; probabilities are float64, k / 65535.

    Attributes:
        test: Rows of the test part.
        val: Rows of the validation part.
        checksum: SHA-256 over ids, labels and probabilities of both.
    """

    test: Predictions
    val: Predictions
    checksum: str


def quantise(probabilities: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Round each row to counts of 65535ths that sum to exactly 65535.

    Every class is rounded down; then the missing counts go to the largest remainders, on a tie to
    the lower class. With two classes this is p(1) · 65535 rounded half down, so p = 0.5 remains
    a prediction of class 0. The predicted class never changes, ties included.

    Args:
        probabilities: float[N, C], rows summing to about 1.

    Returns:
        uint16[N, C].
    """
    exact = np.asarray(probabilities, dtype=np.float64)
    exact = exact / exact.sum(axis=1, keepdims=True) * SCALE
    counts = np.floor(exact).astype(np.int64)
    left = SCALE - counts.sum(axis=1)
    order = np.argsort(counts - exact, axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    counts += rank < left[:, None]
    # With three classes or more, two probabilities that differed may now be equal, and the lower
    # class would be predicted. One count then moves to the class that was predicted before.
    rows = np.arange(len(counts))
    before, after = np.asarray(probabilities).argmax(axis=1), counts.argmax(axis=1)
    moved = before != after
    counts[rows[moved], before[moved]] += 1
    counts[rows[moved], after[moved]] -= 1
    return counts.astype(np.uint16)


def write_evidence(path: Path, test: Predictions, val: Predictions) -> Evidence:
    """Write the predictions of both splits and return them as they will be read back.

    Raises:
        OSError: As raised by the file system.
    """
    arrays: dict[str, NDArray] = {"format": np.array(FORMAT)}
    for split, predictions in zip(SPLITS, (test, val), strict=True):
        rows = predictions.in_id_order()
        counts = quantise(rows.probabilities)
        arrays[f"{split}_id_steps"] = _smallest(np.diff(rows.ids, prepend=0))
        arrays[f"{split}_labels"] = _smallest(rows.labels)
        # Class by class; class 0 is left out, since it is 65535 less the others.
        arrays[f"{split}_counts"] = np.ascontiguousarray(counts[:, 1:].T).astype("<u2")
    evidence = _decode(arrays)
    arrays["checksum"] = np.array(evidence.checksum)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    replace_bytes(path, buffer.getvalue())
    return evidence


def read_evidence(path: Path, checksum: str | None = None) -> Evidence:
    """Read an evidence file and check that it has not changed since it was published.

    Args:
        path: The .npz file.
        checksum: The checksum in the published row; checked as well if given.

    Raises:
        ResultsError: No such file, not an evidence file, or changed since it was written; the
            message names the file.
    """
    remedy = "restore it from version control, or publish the run again"
    if not path.is_file():
        raise ResultsError(f"{path}: no such evidence file; {remedy}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if int(arrays["format"]) != FORMAT:
            raise ResultsError(f"{path}: format {arrays['format']}; this program reads {FORMAT}")
        stored = str(arrays["checksum"])
        evidence = _decode(arrays)
    except (KeyError, ValueError, TypeError, EOFError, OSError, ResultsError) as error:
        raise ResultsError(f"{path}: not a valid evidence file ({error}); {remedy}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ResultsError(f"{path}: damaged evidence file ({error}); {remedy}") from error
    for name, expected in (("the file itself", stored), ("its row", checksum)):
        if expected is not None and expected != evidence.checksum:
            raise ResultsError(
                f"{path}: the content has checksum {evidence.checksum[:12]}…, {name} says "
                f"{expected[:12]}…: it was changed after publishing; {remedy}"
            )
    return evidence


def _decode(arrays: dict[str, NDArray]) -> Evidence:
    """Turn stored arrays into predictions; the checksum covers the decoded values."""
    digest = hashlib.sha256()
    splits = []
    for split in SPLITS:
        ids = np.cumsum(arrays[f"{split}_id_steps"].astype(np.int64), dtype=np.int64)
        labels = arrays[f"{split}_labels"].astype(np.int64)
        others = arrays[f"{split}_counts"].astype(np.int64)
        counts = np.concatenate([SCALE - others.sum(axis=0, keepdims=True), others])
        if counts.size and counts.min() < 0:
            raise ResultsError(f"counts of {split} exceed {SCALE} in a row")
        digest.update(f"{split} {counts.shape}".encode())
        digest.update(ids.astype("<i8").tobytes() + labels.astype("<i8").tobytes())
        digest.update(counts.astype("<u2").tobytes())
        splits.append(Predictions(ids, labels, np.ascontiguousarray(counts.T) / SCALE))
    return Evidence(splits[0], splits[1], digest.hexdigest())


def _smallest(values: NDArray[np.int64]) -> NDArray:
    """Convert numbers, none negative, to the narrowest unsigned type that holds them."""
    kind = np.min_scalar_type(int(values.max(initial=0)))
    return values.astype(kind.newbyteorder("<"))
