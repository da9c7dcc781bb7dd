"""Evidence format 7: labels and probabilities of texts that may have several labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.label_metrics import predicted_labels
from experiments.records.problems.label_sets import LabelSets
from experiments.records.problems.outputs import Outputs
from experiments.records.row import Part, ResultsError

LARGEST = 700.0  # log-odds, as of other formats


def encode_label_sets(part: Part, rows: LabelSets, threshold: float | None) -> dict[str, NDArray]:
    """Labels as bits and log-odds in 16 bits, label by label, of rows in id order.

    They are rounded so that no predicted label changes.

    Args:
        part: of the predictions.
        rows: the predictions.
        threshold: the row's (`predicted_labels`).
    """
    exact = rows.probabilities.astype(np.float64)
    tiny = np.finfo(np.float64).tiny
    odds = np.log(np.maximum(exact, tiny)) - np.log(np.maximum(1 - exact, tiny))
    rounded = np.clip(odds, -LARGEST, LARGEST).astype(np.float16)
    wanted = predicted_labels(exact, threshold)
    crossed = predicted_labels(_probabilities(rounded), threshold) != wanted
    ends = np.where(wanted[crossed], np.inf, -np.inf).astype(np.float16)
    rounded[crossed] = np.nextafter(rounded[crossed], ends)
    return {
        f"{part}_label_bits": np.packbits(rows.labels.T, axis=1),
        f"{part}_log_odds": np.ascontiguousarray(rounded.T),
    }


def decode_label_sets(arrays: Mapping[str, NDArray]) -> tuple[dict[Part, Outputs], str]:
    """Label sets of each part of stored arrays, and the checksum over all of them.

    Raises:
        ResultsError: arrays that do not fit one another.
    """
    digest, parts = hashlib.sha256(), dict[Part, Outputs]()
    for part in get_args(Part):
        if f"{part}_label_bits" not in arrays:
            continue
        ids = np.cumsum(arrays[f"{part}_id_steps"].astype(np.int64), dtype=np.int64)
        bits, odds = arrays[f"{part}_label_bits"], arrays[f"{part}_log_odds"].astype("<f2")
        if bits.dtype != np.uint8 or not np.isfinite(odds).all():
            raise ResultsError(f"labels of {part} are {bits.dtype}, or log-odds not finite")
        labels = np.unpackbits(bits, axis=1, count=len(ids)).T.astype(np.int8)
        digest.update(f"{part} {odds.shape}".encode() + ids.astype("<i8").tobytes())
        digest.update(labels.tobytes() + odds.tobytes())
        parts[part] = LabelSets(ids, np.ascontiguousarray(labels), _probabilities(odds.T))
    return parts, digest.hexdigest()


def _probabilities(odds: NDArray[np.float16]) -> NDArray[np.float64]:
    """Probabilities of log-odds, whatever their size."""
    exact = odds.astype(np.float64)
    return np.ascontiguousarray(1 / (1 + np.exp(-exact)))
