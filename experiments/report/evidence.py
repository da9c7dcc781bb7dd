"""Statistics of the rows of a table whose predictions are available."""

from __future__ import annotations

from pathlib import Path

from experiments.records.row import Part, Row
from experiments.records.run_files import VAL_FILE
from experiments.report.provenance import run_folder
from experiments.report.tables import Key
from experiments.statistics.table import Analysis, analyse


def analyse_rows(
    rows: list[Row], folder: Path, part: Part
) -> tuple[Analysis | None, list[str], frozenset[Key]]:
    """Analyse a part of the predictions of finished rows, with notes on the rows that have none.

    Args:
        rows: Rows of a table.
        folder: Folder that they were read from.
        part: The part.

    Returns:
        The statistics, the notes, and the rows whose figures are unverified.

    Raises:
        ResultsError: Predictions were changed, or are of different reviews.
    """
    home = folder.parent if folder.is_file() else folder
    with_predictions, without = [], []
    for row in rows:
        run = run_folder(home, row)
        if row.evidence or (run is not None and (run / VAL_FILE).is_file()):
            with_predictions.append(row)
        else:
            without.append((row.experiment, row.seed))
    analysis = analyse(with_predictions, folder, part=part)
    names = "; ".join(f"{experiment}, seed {seed}" for experiment, seed in without)
    notes = [f"Unverified and not shown, because their predictions are missing: {names}."]
    if analysis and analysis.left_out:
        notes += [f"Not in the statistics: {'; '.join(analysis.left_out)}."]
    return analysis, notes if without else notes[1:], frozenset(without)
