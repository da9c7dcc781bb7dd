"""Statistics of the rows of a table whose predictions are available."""

from __future__ import annotations

from pathlib import Path

from experiments.records.row import Row
from experiments.records.run_files import VAL_FILE
from experiments.report.provenance import run_folder
from experiments.statistics.table import Analysis, analyse


def analyse_rows(rows: list[Row], folder: Path) -> tuple[Analysis | None, list[str]]:
    """Analyse the predictions of finished rows, with notes on the rows that have none.

    Args:
        rows: Rows of a table.
        folder: Folder that they were read from.

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
            without.append(f"{row.experiment}, seed {row.seed}")
    analysis = analyse(with_predictions, folder)
    notes = [f"Not in the statistics, because their predictions are missing: {'; '.join(without)}."]
    if analysis and analysis.left_out:
        notes += [f"Not in the statistics: {'; '.join(analysis.left_out)}."]
    return analysis, notes if without else notes[1:]
