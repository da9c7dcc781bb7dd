"""Predictions of a row, read from its run folder or from published evidence."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import LOG_LOSS_FLOOR, Metrics, evaluate
from experiments.records.predictions import Predictions, read_predictions
from experiments.records.publishing import metrics_difference, read_published_evidence
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import ROW_FILE, TEST_FILE, VAL_FILE, checksum


@dataclass(frozen=True, eq=False)
class RunPredictions:
    """Predictions of a run, in id order.

    Attributes:
        test: Rows of the test part; None if the run was not tested.
        val: Rows of the validation part.
    """

    test: Predictions | None
    val: Predictions


def read_run_predictions(row: Row, folder: Path) -> RunPredictions:
    """Read the predictions of a row and check that its metrics follow from them.

    Args:
        row: An `ok` row from `read_rows(folder)`.
        folder: The folder or file that was read.

    Raises:
        ResultsError: Predictions are missing, damaged, or not those of the row (edited by hand, or
            of another run); the message names the file.
    """
    home = folder.parent if folder.is_file() else folder
    if row.evidence is not None:
        evidence = read_published_evidence(home, row)
        for part, metrics in (("test", row.test), ("val", row.val)):
            found: Predictions = getattr(evidence, part)
            if metrics and (
                text := metrics_difference(metrics, evaluate(found.labels, found.probabilities))
            ):
                raise ResultsError(
                    f"{home / row.evidence.file}: {part} {text} (row, evidence); restore the table "
                    "or publish the run again"
                )
        return RunPredictions(evidence.test if row.test else None, evidence.val)
    if not (home / ROW_FILE).is_file():
        home = home / row.experiment / f"seed-{row.seed}"
    val = _read(home / VAL_FILE, row, row.val)
    return RunPredictions(_read(home / TEST_FILE, row, row.test) if row.test else None, val)


def rows_fingerprint(predictions: Predictions) -> str:
    """Hash of ids and labels, 16 hex digits: equal for runs on the same reviews."""
    rows = predictions.in_id_order()
    content = rows.ids.astype("<i8").tobytes() + rows.labels.astype("<i8").tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def groups_of(predictions: Predictions) -> NDArray[np.int64] | None:
    """Groups of the rows, int64[N]; None if each row is alone."""
    return None


def _read(file: Path, row: Row, metrics: Metrics | None) -> Predictions:
    predictions = read_predictions(file)
    remedy = "restore it, or run the experiment again"
    expected = row.checksums.get(file.name)
    found = checksum(file)
    if expected is not None and expected != found:
        raise ResultsError(
            f"{file}: its checksum is {found[:12]}…, {ROW_FILE} says {expected[:12]}…: it was "
            f"changed after the run; {remedy}"
        )
    # Rows from before checksums were introduced are checked by their metrics.
    of_label = predictions.probabilities[np.arange(len(predictions.labels)), predictions.labels]
    loss = float(-np.log(np.maximum(of_label.astype(np.float64), LOG_LOSS_FLOOR)).mean())
    if metrics is None or metrics.n != len(of_label):
        stored = metrics.n if metrics else 0
        raise ResultsError(f"{file}: {len(of_label)} rows, {ROW_FILE} says {stored}; {remedy}")
    if not math.isclose(loss, metrics.log_loss, rel_tol=1e-9, abs_tol=1e-12):
        raise ResultsError(
            f"{file}: its log loss is {loss:.6f}, {ROW_FILE} says {metrics.log_loss:.6f}: it was "
            f"changed after the run; {remedy}"
        )
    if difference := metrics_difference(
        metrics, evaluate(predictions.labels, predictions.probabilities)
    ):
        raise ResultsError(f"{file}: {difference} ({ROW_FILE}, predictions); {remedy}")
    return predictions
