"""Evidence format 7: labels and probabilities of texts that may have several labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.label_metrics import predicted_labels
from experiments.records.problems.label_sets import LabelSets
from experiments.records.row import ResultsError

LARGEST = 700.0  # log-odds, as of other formats


def label_arrays(rows: LabelSets, threshold: float | None) -> dict[str, NDArray]:
    """Labels as bits and log-odds in 16 bits, label by label, of rows in id order.

    They are rounded so that no predicted label changes.

    Args:
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
        "label_bits": np.packbits(rows.labels.T, axis=1),
        "log_odds": np.ascontiguousarray(rounded.T),
    }


def label_sets(arrays: Mapping[str, NDArray], ids: NDArray[np.int64]) -> tuple[LabelSets, bytes]:
    """Label sets of such arrays, and the bytes that a checksum covers.

    Raises:
        ResultsError: arrays that do not fit one another.
    """
    bits, odds = arrays["label_bits"], arrays["log_odds"].astype("<f2")
    if bits.dtype != np.uint8 or not np.isfinite(odds).all():
        raise ResultsError(f"labels are {bits.dtype}, or log-odds not finite")
    labels = np.unpackbits(bits, axis=1, count=len(ids)).T.astype(np.int8)
    found = LabelSets(ids, np.ascontiguousarray(labels), _probabilities(odds.T))
    return found, labels.tobytes() + odds.tobytes()


def _probabilities(odds: NDArray[np.float16]) -> NDArray[np.float64]:
    """Probabilities of log-odds, whatever their size."""
    exact = odds.astype(np.float64)
    return np.ascontiguousarray(1 / (1 + np.exp(-exact)))
