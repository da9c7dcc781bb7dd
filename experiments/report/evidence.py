"""Statistics of the rows of a table whose figures their predictions give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from experiments.records.metrics import largest_class
from experiments.records.predictions import Predictions
from experiments.records.row import Part, ResultsError, Row
from experiments.records.run_files import VAL_FILE
from experiments.report.provenance import run_folder
from experiments.report.tables import Evidence, Key
from experiments.statistics.reading import read_run_predictions
from experiments.statistics.table import Analysis, analyse_runs


def analyse_rows(rows: list[Row], folder: Path, parts: list[Part]) -> Evidence:
    """Analyse the predictions of finished rows; rows that they do not bear out are left out.

    Args:
        rows: Rows of a table.
        folder: Folder that they were read from.
        parts: Parts of the predictions, the most important one first.

    Raises:
        ResultsError: Runs were evaluated on different reviews.
    """
    home = folder.parent if folder.is_file() else folder
    runs = list[tuple[Row, dict[Part, Predictions]]]()
    missing, wrong = dict[Key, str](), dict[Key, str]()
    for row in rows:
        key, run = (row.experiment, row.seed), run_folder(home, row)
        if not row.evidence and (run is None or not (run / VAL_FILE).is_file()):
            missing[key] = f"{row.experiment}, seed {row.seed}"
            continue
        try:
            runs.append((row, read_run_predictions(row, folder)))
        except ResultsError as error:
            # The name within the folder alone: the path would reveal the machine.
            wrong[key] = str(error).replace(f"{home}/", "")
    analyses = dict[Part, Analysis]()
    for part in parts:
        if analysis := analyse_runs(runs, folder, part=part):
            analyses[part] = analysis
    notes = list[str]()
    if missing:
        names = "; ".join(missing.values())
        notes.append(f"Unverified and not shown, because their predictions are missing: {names}.")
    notes += [f"Unverified and not shown: {text}." for text in wrong.values()]
    if (main := analyses.get(parts[0])) and main.left_out:
        notes.append(f"Not in the statistics: {'; '.join(main.left_out)}.")
    shares = largest_classes(run for _, run in runs)
    return Evidence(analyses, tuple(notes), frozenset(missing | wrong), shares)


def largest_classes(runs: Iterable[Mapping[Part, Predictions]]) -> dict[Part, float]:
    """Share of the largest class in each part that was evaluated, which all runs share."""
    return {part: largest_class(one.labels) for run in runs for part, one in run.items()}


def analyse_labels(rows: list[Row], folder: Path, parts: list[Part]) -> Evidence:
    """Read the labels of finished rows alone, for a table without statistics."""
    try:
        runs = [read_run_predictions(row, folder) for row in rows]
    except (ResultsError, OSError):  # the table says so where statistics are asked for
        return Evidence()
    return Evidence(largest_class=largest_classes(runs))
