"""Compact files of the predictions behind published rows.

Probabilities are stored as log-odds in 16-bit floats, ids as differences, and all parts go into one
compressed .npz: about 100 kB for 52,500 predictions of two classes.

- Format 1, of older tables, has counts of 65535ths, by which confident probabilities are equal.
- Format 2, of two classes, has log-odds against class 0. Older tables have more classes in it, too:
  where class 0 is negligible, all log-odds are large, and 16 bits are coarse.
- Format 3, of more than two classes, has log-odds against the most probable class, so that those of
  all probable classes are small.
- Format 4, of language models, has the log-probability of each text, with its numbers of
  symbols and characters.
- Format 5, of transcription, has what was written for each text, its log-probability, and its
  distance from the nearest right answer with that answer's length.
- Format 6, of tagging, has counts of tags in each text (`problems.tag_evidence`).
- Format 7, of several labels a text, has the labels as bits, and the log-odds of each against its
  absence.
- Format 8, of regressions, is format 2 with the true value of each row.
"""

import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from experiments.records.atomic import replace_bytes
from experiments.records.metrics import predicted_classes
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.forms import FORMS, TAGS, Form, smallest
from experiments.records.problems.outputs import Outputs
from experiments.records.problems.regressions import Regressions, with_values
from experiments.records.row import Part, ResultsError

TWO_CLASSES, MORE_CLASSES, REGRESSION = 2, 3, 8  # formats
READABLE = (1, 2, 3, *(form.number for form in FORMS), REGRESSION)
SCALE = 65535  # of format 1
_FIRST: tuple[Part, ...] = ("test", "val")  # in format 1, both always
LARGEST = 700.0
"""Largest log-odds that are stored; those of float64 probabilities end at 745."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Predictions read back from an evidence file; probabilities are float64.

    Attributes:
        parts: Outputs of each part that was predicted.
        checksum: SHA-256 over ids, labels and probabilities of all parts, or what else they have.
    """

    parts: dict[Part, Outputs]
    checksum: str


def log_odds(
    probabilities: NDArray[np.floating], threshold: float | None = None
) -> NDArray[np.float16]:
    """Log-odds, rounded so that the predicted class of a row never changes.

    Args:
        probabilities: float[N, C], rows summing to about 1.
        threshold: The row's (`predicted_classes`).

    Returns:
        float16[N, 1] against class 0 for two classes; else float16[N, C] against the most probable
        class, of which no other one is above 0.
    """
    exact = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float64).tiny))
    rows, best = np.arange(len(exact)), probabilities.argmax(axis=1)
    two = probabilities.shape[1] == 2
    reference = exact[:, 0] if two else exact[rows, best]
    rounded = np.clip(exact - reference[:, None], -LARGEST, LARGEST).astype(np.float16)
    # Rounding makes ties, for which the lower class would be predicted.
    tied = rounded.argmax(axis=1) != best
    if two:
        winners = rounded[rows[tied], best[tied]]
        rounded[rows[tied], best[tied]] = np.nextafter(winners, np.float16(np.inf))
        if threshold is not None:  # the neighbour of a number that crossed it is on the right side
            wanted = predicted_classes(probabilities, threshold)
            crossed = predicted_classes(_probabilities(rounded.T), threshold) != wanted
            ends = np.where(wanted[crossed] == 1, np.inf, -np.inf).astype(np.float16)
            rounded[crossed, 1] = np.nextafter(rounded[crossed, 1], ends)
        return rounded[:, 1:]
    lower = np.arange(exact.shape[1]) < best[:, None]  # less probable than the best, or it were it
    return np.where(lower & (rounded == 0), np.nextafter(np.float16(0), np.float16(-1)), rounded)


def write_evidence(
    path: Path, parts: Mapping[Part, Outputs], threshold: float | None = None
) -> Evidence:
    """Write the predictions of all parts and return them as they will be read back; see `encode`.

    Raises:
        OSError: As raised by the file system.
    """
    evidence, content = encode(parts, threshold)
    replace_bytes(path, content)
    return evidence


def encode(parts: Mapping[Part, Outputs], threshold: float | None = None) -> tuple[Evidence, bytes]:
    """Predictions of all parts as they will be read back, and the content of their file.

    Args:
        parts: The predictions.
        threshold: The row's, over which no rounded probability passes.
    """
    classes = [one.probabilities.shape[1] for one in parts.values() if isinstance(one, Predictions)]
    form = TWO_CLASSES if max(classes, default=2) == 2 else MORE_CLASSES
    if any(isinstance(one, Regressions) for one in parts.values()):
        form = REGRESSION
    others = [one for one in FORMS if any(isinstance(rows, one.kind) for rows in parts.values())]
    if others:
        form = others[0].number
    arrays: dict[str, NDArray] = {"format": np.array(form)}
    for part, outputs in parts.items():
        rows = outputs.in_id_order()
        arrays[f"{part}_id_steps"] = smallest(np.diff(rows.ids, prepend=0))
        if isinstance(rows, Predictions):
            odds = log_odds(rows.probabilities, threshold)
            arrays[f"{part}_labels"] = smallest(rows.labels)
            arrays[f"{part}_log_odds"] = np.ascontiguousarray(odds.T)  # class by class
        if isinstance(rows, Regressions):
            arrays[f"{part}_{rows.unit}"] = rows.targets.astype(np.int8)
        for other in others:
            own = other.encode(rows, threshold)
            arrays |= {f"{part}_{name}": values for name, values in own.items()}
    evidence = _decode(arrays)
    arrays["checksum"] = np.array(evidence.checksum)
    return evidence, _zipped(arrays, zipfile.ZIP_LZMA if TAGS in others else zipfile.ZIP_DEFLATED)


def _zipped(arrays: Mapping[str, NDArray], method: int) -> bytes:
    """Content of an .npz file; LZMA makes counts of tags a tenth smaller."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980: equal arrays give equal bytes
            entry.compress_type = method
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, values, allow_pickle=False)
    return buffer.getvalue()


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
        if int(arrays["format"]) not in READABLE:
            raise ResultsError(f"{path}: format {arrays['format']}; this program reads {READABLE}")
        stored = str(arrays["checksum"])
        evidence = _decode(arrays)
    except (KeyError, ValueError, TypeError, EOFError, OSError, ResultsError) as error:
        raise ResultsError(f"{path}: not a valid evidence file ({error}); {remedy}") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise ResultsError(f"{path}: damaged evidence file ({error}); {remedy}") from error
    for name, expected in (("the file itself", stored), ("its row", checksum)):
        if expected is not None and expected != evidence.checksum:
            raise ResultsError(
                f"{path}: the content has checksum {evidence.checksum[:12]}…, {name} says "
                f"{expected[:12]}…: it was changed after publishing; {remedy}"
            )
    return evidence


def _decode(arrays: Mapping[str, NDArray]) -> Evidence:
    """Turn stored arrays into predictions; the checksum covers the decoded values."""
    digest, parts = hashlib.sha256(), dict[Part, Outputs]()
    form = int(arrays["format"])
    for other in FORMS:
        if form == other.number:
            return _decode_other(arrays, other)
    first = form == 1
    for part in _FIRST if first else get_args(Part):
        if f"{part}_labels" not in arrays and not first:
            continue
        ids = np.cumsum(arrays[f"{part}_id_steps"].astype(np.int64), dtype=np.int64)
        labels = arrays[f"{part}_labels"].astype(np.int64)
        if first:
            stored, probabilities = _decode_counts(arrays[f"{part}_counts"], part)
        else:
            stored = arrays[f"{part}_log_odds"]
            two = form in (TWO_CLASSES, REGRESSION)
            stored, probabilities = _decode_log_odds(stored, part, two)
        digest.update(f"{part} {stored.shape}".encode())
        digest.update(ids.astype("<i8").tobytes() + labels.astype("<i8").tobytes())
        digest.update(stored.tobytes())
        parts[part] = predictions = Predictions(ids, labels, probabilities)
        if form == REGRESSION:
            parts[part] = with_values(predictions, part, arrays, digest.update)
    return Evidence(parts, digest.hexdigest())


def _decode_other(arrays: Mapping[str, NDArray], form: Form) -> Evidence:
    """Outputs of another kind of problem than classification."""
    digest, parts = hashlib.sha256(), dict[Part, Outputs]()
    for part in get_args(Part):
        if f"{part}_{form.key}" not in arrays:
            continue
        ids = np.cumsum(arrays[f"{part}_id_steps"].astype(np.int64), dtype=np.int64)
        own = {name.removeprefix(f"{part}_"): values for name, values in arrays.items()}
        parts[part], content = form.decode(own, ids)
        digest.update(f"{part} {ids.shape}".encode() + ids.astype("<i8").tobytes() + content)
    return Evidence(parts, digest.hexdigest())


def _decode_log_odds(
    stored: NDArray, part: str, without_first: bool
) -> tuple[NDArray, NDArray[np.float64]]:
    """Stored log-odds, [C, N] or without those of class 0, and the probabilities, [N, C]."""
    kept = stored.astype("<f2")
    if kept.dtype != stored.dtype or not np.isfinite(kept).all():
        raise ResultsError(f"log-odds of {part} are {stored.dtype} or not finite")
    odds = kept.astype(np.float64)
    if without_first:
        odds = np.concatenate([np.zeros((1, kept.shape[1])), odds])
    return kept, _probabilities(odds)


def _probabilities(odds: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64[N, C] probabilities from [C, N] log-odds against any class."""
    exact = odds.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=0))
    return np.ascontiguousarray((powers / powers.sum(axis=0)).T)


def _decode_counts(stored: NDArray, part: str) -> tuple[NDArray, NDArray[np.float64]]:
    """Counts of format 1 with those of class 0, [C, N], and the probabilities, [N, C]."""
    others = stored.astype(np.int64)
    counts = np.concatenate([SCALE - others.sum(axis=0, keepdims=True), others])
    if counts.size and counts.min() < 0:
        raise ResultsError(f"counts of {part} exceed {SCALE} in a row")
    return counts.astype("<u2"), np.ascontiguousarray(counts.T) / SCALE
