"""Predictions of a row, read from its run folder or from published evidence."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from experiments.records.predictions import read_outputs
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.outputs import Outputs
from experiments.records.publishing import metrics_difference, read_published_evidence
from experiments.records.row import AnyMetrics, Part, ResultsError, Row
from experiments.records.run_files import ROW_FILE, checksum, predictions_file


def read_run_predictions(row: Row, folder: Path) -> dict[Part, Predictions]:
    """Read the predictions of a classifier's row; see `read_run_outputs`.

    Raises:
        ResultsError: As there, or the row is of another kind of problem.
    """
    parts = dict[Part, Predictions]()
    for part, outputs in read_run_outputs(row, folder).items():
        if not isinstance(outputs, Predictions):
            raise ResultsError(
                f"{row.experiment}, seed {row.seed}: {row.problem} has no predictions of classes"
            )
        parts[part] = outputs
    return parts


def read_run_outputs(row: Row, folder: Path) -> dict[Part, Outputs]:
    """Read the outputs behind a row, in id order, and check that its metrics follow from them.

    Args:
        row: An `ok` row from `read_rows(folder)`.
        folder: The folder or file that was read.

    Returns:
        Outputs of each part that the row has metrics of.

    Raises:
        ResultsError: Predictions are missing, damaged, or not those of the row (edited by hand, or
            of another run); the message names the file.
    """
    home = folder.parent if folder.is_file() else folder
    if row.evidence is not None:
        parts = read_published_evidence(home, row).parts
        for part, predictions in parts.items():
            if text := metrics_difference(row, part, predictions):
                raise ResultsError(
                    f"{home / row.evidence.file}: {part} {text} (row, evidence); restore the table "
                    "or publish the run again"
                )
        return parts
    if not (home / ROW_FILE).is_file():
        home = home / row.experiment / f"seed-{row.seed}"
    return {
        part: _read(home, row, part, metrics)
        for part, metrics in row.parts.items()
        if metrics is not None
    }


def rows_fingerprint(predictions: Predictions) -> str:
    """Hash of ids and labels, 16 hex digits: equal for runs on the same reviews."""
    rows = predictions.in_id_order()
    content = rows.ids.astype("<i8").tobytes() + rows.labels.astype("<i8").tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _read(home: Path, row: Row, part: Part, metrics: AnyMetrics) -> Outputs:
    file = predictions_file(home, row, part)
    outputs = read_outputs(file)
    remedy = "restore it, or run the experiment again"
    expected = row.checksums.get(file.relative_to(home).as_posix())
    found = checksum(file)
    if expected is not None and expected != found:
        raise ResultsError(
            f"{file}: its checksum is {found[:12]}…, {ROW_FILE} says {expected[:12]}…: it was "
            f"changed after the run; {remedy}"
        )
    # Rows from before checksums were introduced are checked by their metrics.
    try:
        n, scores = len(outputs.ids), outputs.evaluate(row.threshold).scores
    except ResultsError as error:
        raise ResultsError(f"{file}: {error}") from error
    if metrics.n != n:
        raise ResultsError(f"{file}: {n} rows, {ROW_FILE} says {metrics.n}; {remedy}")
    loss, said = scores.get("log_loss"), metrics.scores.get("log_loss")
    known = loss is not None and said is not None
    if known and not math.isclose(loss, said, rel_tol=1e-9, abs_tol=1e-12):  # type: ignore[arg-type]
        raise ResultsError(
            f"{file}: its log loss is {loss:.6f}, {ROW_FILE} says {said:.6f}: it was changed after "
            f"the run; {remedy}"
        )
    if difference := metrics_difference(row, part, outputs):
        raise ResultsError(f"{file}: {difference} ({ROW_FILE}, predictions); {remedy}")
    return outputs
