"""Publication of rows together with their predictions, and verification of published tables."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.config.names import check_name
from experiments.records import test_log
from experiments.records.evidence import Evidence, read_evidence, write_evidence
from experiments.records.logs import LOG_FILES
from experiments.records.metrics import Metrics, evaluate
from experiments.records.predictions import Predictions, read_predictions
from experiments.records.row import EvidenceFile, ResultsError, Row, row_from_dict, row_to_dict
from experiments.records.run_files import (
    TEST_FILE,
    VAL_FILE,
    check_files,
    key_of,
    read_row,
    read_table,
    tables_in,
    write_table,
)

# An absolute path of two or more parts, on Linux, macOS or Windows, but not the tail of a URL.
PATH = re.compile(r"(?<![\w:/\\.~])(?:file://|~|[A-Za-z]:)?(?:[\\/][^\\/\s\"'<>|:;,()]+){2,}[\\/]?")


def publish(run_folders: Iterable[Path], table: str, results_dir: Path) -> list[Row]:
    """Copy runs and their predictions into a published table.

    The metrics of a published row are computed from the stored 16-bit probabilities. A run that
    is in the table already (same experiment, seed, protocol, corpus and profile) is replaced. All
    runs are checked before anything is written. Of file-system paths only the last part is kept.

    Args:
        run_folders: Finished run folders, each with test and validation predictions.
        table: Name of the table, a plain file name.
        results_dir: The published folder.

    Returns:
        The published rows of these runs.

    Raises:
        ResultsError: A run that failed, is not complete, was not tested, whose predictions do not
            give the metrics in its row, or whose evaluation on an official test split was not
            logged; two runs with the same key.
        ConfigError: A table or an experiment has a name that cannot be that of a file.
        OSError: As raised by the file system.
    """
    check_name(table, "table")
    if f"{table}.jsonl" in LOG_FILES:
        raise ResultsError(f"table is {table!r}, the name of a log; choose another")
    fresh: dict[tuple, tuple[Row, Predictions, Predictions]] = {}
    for folder in map(Path, run_folders):
        row = read_row(folder)
        if key_of(row) in fresh:
            raise ResultsError(
                f"{folder}: second run of {row.experiment}, seed {row.seed} on {row.corpus} "
                f"({row.protocol}, {row.profile}); publish one of them"
            )
        fresh[key_of(row)] = (row, *_checked_predictions(folder, row))
    if not fresh:
        raise ResultsError("0 runs were given; name at least one finished run folder")

    path = results_dir / f"{table}.jsonl"
    rows = {key_of(row): row for row in (read_table(path) if path.is_file() else [])}
    replaced = [rows[key].evidence for key in fresh if key in rows]
    for key, (row, test, val) in fresh.items():
        other_files = {
            other.evidence.file
            for other in rows.values()
            if other.evidence and key_of(other) != key
        }
        name = f"{table}/{row.experiment}-seed-{row.seed}.npz"
        if name in other_files:  # the same experiment under another protocol, corpus or profile
            extra = re.sub(r"[^\w.+-]", "_", f"{row.protocol}-{row.profile}-{row.corpus}")
            name = f"{table}/{row.experiment}-seed-{row.seed}-{extra}.npz"
        evidence = write_evidence(results_dir / name, test, val)
        clean = row_from_dict(strip_paths(row_to_dict(row)), path.name)
        rows[key] = dataclasses.replace(
            clean,
            val=_evaluate(evidence.val),
            test=_evaluate(evidence.test),
            evidence=EvidenceFile(name, evidence.checksum),
            checksums={},  # of the files in the run folder, which stay there
        )
    write_table(path, rows.values())
    named = {row.evidence.file for row in rows.values() if row.evidence}
    for old in replaced:
        if old and old.file not in named:  # no row uses it any more
            (results_dir / old.file).unlink()
    return [rows[key] for key in fresh]


def read_published_evidence(results_dir: Path, row: Row) -> Evidence:
    """Read the predictions behind a published row, checked against the row's checksum.

    Raises:
        ResultsError: The row is not published, or its file is missing or was changed.
    """
    name = f"{row.experiment}, seed {row.seed}"
    if row.evidence is None:
        raise ResultsError(f"{results_dir}: {name} has no evidence; publish the run")
    return read_evidence(results_dir / row.evidence.file, row.evidence.checksum)


def verify_published(results_dir: Path) -> list[Row]:
    """Recompute every metric of every published table from its evidence.

    Returns:
        All rows, in the order of the files; empty if nothing is published yet.

    Raises:
        ResultsError: A metric differs, evidence is missing or changed, or an evidence file belongs
            to no row.
    """
    verified = []
    for table in tables_in(Path(results_dir)):
        rows = read_table(table)
        for row in rows:
            evidence = read_published_evidence(table.parent, row)
            for split, stored in (("val", row.val), ("test", row.test)):
                difference = metrics_difference(stored, _evaluate(getattr(evidence, split)))
                if difference:
                    raise ResultsError(
                        f"{table}: {row.experiment}, seed {row.seed}: {split} {difference} "
                        "(row, evidence); restore the table or publish the run again"
                    )
        named = {row.evidence.file for row in rows if row.evidence}
        for path in sorted(table.with_suffix("").glob("*.npz")):
            if f"{table.stem}/{path.name}" not in named:
                raise ResultsError(f"{path}: no row of {table.name} refers to it; remove the file")
        verified += rows
    return verified


def _checked_predictions(folder: Path, row: Row) -> tuple[Predictions, Predictions]:
    """Read the predictions of a run and check that its metrics follow from them."""
    if row.status != "ok":
        raise ResultsError(
            f"{folder}: the run {row.status} ({row.reason}); only ok runs can be published"
        )
    check_name(row.experiment, "experiment")
    if row.test is None:
        raise ResultsError(
            f"{folder}: the run has no test metrics; run `lit-sentiment test {folder}` first"
        )
    predictions_of_splits = []
    for name, stored in ((TEST_FILE, row.test), (VAL_FILE, row.val)):
        predictions = read_predictions(folder / name)
        difference = metrics_difference(stored, _evaluate(predictions))
        if difference:
            raise ResultsError(
                f"{folder / name}: {difference} (row.json, predictions); they come from different "
                "runs: run the experiment again"
            )
        predictions_of_splits.append(predictions)
    check_files(folder, row)
    test_log.check_logged(row, folder)
    return predictions_of_splits[0], predictions_of_splits[1]


def _evaluate(predictions: Predictions) -> Metrics:
    return evaluate(predictions.labels, predictions.probabilities)


def metrics_difference(stored: Metrics | None, computed: Metrics) -> str:
    """Describe the first metric that differs by more than rounding; empty if none does."""
    for field in dataclasses.fields(Metrics):
        one, two = getattr(stored, field.name, None), getattr(computed, field.name)
        close = (
            one is not None
            and two is not None
            and math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)
        )
        if not close and one != two:
            return f"{field.name} is {one} and {two}"
    return ""


def strip_paths(value: Any) -> Any:
    """Replace absolute paths, which reveal machine and user, by their last part."""
    if isinstance(value, str):
        return PATH.sub(lambda match: re.split(r"[\\/]", match[0].rstrip("\\/"))[-1], value)
    if isinstance(value, Mapping):
        return {key: strip_paths(entry) for key, entry in value.items()}
    return [strip_paths(entry) for entry in value] if isinstance(value, list) else value
