"""Rows on disk: a run's `row.json`, a benchmark's `results.jsonl`, and the published tables.

The schema is in `experiments.row`. Layouts:

    runs/<benchmark>/<experiment>/seed-<n>/row.json     one run; its presence means completion
    runs/<benchmark>/results.jsonl                      all of them, derived by `collect`
    <published>/<table>.jsonl                           published rows
    <published>/<table>/<experiment>-seed-<n>.npz       the predictions behind them
    <published>/test_log.jsonl                          every test evaluation (`evaluation_log`)
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments import evaluation_log
from experiments.atomic import replace_bytes
from experiments.evaluation import Metrics, evaluate
from experiments.evidence import Evidence, read_evidence, write_evidence
from experiments.predictions import Predictions, read_predictions
from experiments.row import EvidenceFile, ResultsError, Row, row_from_dict, row_to_dict

__all__ = [
    "ResultsError",
    "Row",
    "collect",
    "publish",
    "read_published_evidence",
    "read_row",
    "read_rows",
    "tables_in",
    "verify_published",
    "write_row",
]

ROW_FILE = "row.json"
TEST_FILE = "predictions.parquet"
VAL_FILE = "val_predictions.parquet"
NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*")
# An absolute path of two or more parts, on Linux, macOS or Windows, but not the tail of a URL.
PATH = re.compile(r"(?<![\w:/\\.~])(?:file://|~|[A-Za-z]:)?(?:[\\/][^\\/\s\"'<>|:;,()]+){2,}[\\/]?")


def write_row(folder: Path, row: Row) -> Path:
    """Write `row.json` into a run folder: last of all files, because it marks completion.

    Raises:
        ResultsError: The row could not be read back (a NaN, a wrong type).
        OSError: As raised by the file system.
    """
    path = folder / ROW_FILE
    replace_bytes(path, (json.dumps(row_to_dict(row), indent=2) + "\n").encode())
    return path


def read_row(folder: Path) -> Row:
    """Read the row of a run folder (or the `row.json` itself).

    Raises:
        ResultsError: No such file, not JSON, or not of this schema.
    """
    path = folder if folder.is_file() else folder / ROW_FILE
    if not path.is_file():
        raise ResultsError(
            f"{path}: no such file; a run without it is not complete. Start the run again: it "
            "goes on where it stopped"
        )
    return row_from_dict(_decode(path.read_bytes(), str(path)), str(path))


def read_rows(folder: Path) -> list[Row]:
    """Read all rows of a run folder, a benchmark folder, a published folder or a .jsonl file.

    Args:
        folder: Where to look; runs without `row.json` are not complete and left out.

    Returns:
        Rows by corpus, protocol, profile, experiment and seed.

    Raises:
        ResultsError: No rows there, a row that does not fit the schema, or a published row whose
            evidence file is missing.
    """
    folder = Path(folder)
    runs = sorted(folder.glob(f"*/seed-*/{ROW_FILE}"))
    tables = [folder] if folder.is_file() else tables_in(folder)
    if (folder / ROW_FILE).is_file():
        rows = [read_row(folder)]
    elif runs:
        rows = [read_row(path) for path in runs]
    elif tables:
        rows = [row for table in tables for row in _read_table(table)]
    else:
        inside = sorted({str(path.parents[2]) for path in folder.glob(f"*/*/seed-*/{ROW_FILE}")})
        hint = f"; give one of its benchmarks: {', '.join(inside)}" if inside else ""
        raise ResultsError(
            f"{folder}: no finished runs here. A benchmark folder holds <experiment>/seed-<n>/"
            f"{ROW_FILE}, a published folder <table>.jsonl{hint}"
        )
    return sorted(rows, key=_key)


def tables_in(folder: Path) -> list[Path]:
    """The files with rows in a folder; the log of test evaluations lies beside them."""
    return sorted(path for path in folder.glob("*.jsonl") if path.name != evaluation_log.LOG_FILE)


def collect(benchmark_folder: Path) -> list[Row]:
    """Derive `results.jsonl` from the `row.json` files of a benchmark and return its rows.

    No run that has ended: no rows, and no file of an earlier state either.

    Raises:
        ResultsError: As `read_rows`.
        OSError: As raised by the file system.
    """
    derived = benchmark_folder / "results.jsonl"
    if not any(benchmark_folder.glob(f"*/*/{ROW_FILE}")):
        derived.unlink(missing_ok=True)
        return []
    rows = read_rows(benchmark_folder)
    _write_table(derived, rows)
    return rows


def publish(run_folders: Iterable[Path], table: str, results_dir: Path) -> list[Row]:
    """Copy runs into a published table, with the predictions that prove them.

    A published row's metrics are computed from the stored 16-bit probabilities. A run that is in
    the table already (same experiment, seed, protocol, corpus and profile) is replaced. All runs
    are checked before anything is written. File-system paths are cut down to their last part.

    Args:
        run_folders: Finished run folders, each with test and validation predictions.
        table: Name of the table, a plain file name.
        results_dir: The published folder.

    Returns:
        The rows that were published now.

    Raises:
        ResultsError: A run that failed, is not complete, was not tested, whose predictions do not
            give the metrics in its row, or whose evaluation on an official test split was not
            logged; two runs with one key; a name that is no file name.
        OSError: As raised by the file system.
    """
    _check_name(table, "table")
    if f"{table}.jsonl" == evaluation_log.LOG_FILE:
        raise ResultsError(f"table is {table!r}, the log of evaluations; choose another")
    fresh: dict[tuple, tuple[Row, Predictions, Predictions]] = {}
    for folder in map(Path, run_folders):
        row = read_row(folder)
        if _key(row) in fresh:
            raise ResultsError(
                f"{folder}: a second run of {row.experiment}, seed {row.seed} on {row.corpus} "
                f"({row.protocol}, {row.profile}); publish one of them"
            )
        fresh[_key(row)] = (row, *_proof(folder, row))
    if not fresh:
        raise ResultsError("0 runs were given; name at least one finished run folder")

    path = results_dir / f"{table}.jsonl"
    rows = {_key(row): row for row in (_read_table(path) if path.is_file() else [])}
    replaced = [rows[key].evidence for key in fresh if key in rows]
    for key, (row, test, val) in fresh.items():
        taken = {
            other.evidence.file for other in rows.values() if other.evidence and _key(other) != key
        }
        name = f"{table}/{row.experiment}-seed-{row.seed}.npz"
        if name in taken:  # the same experiment under another protocol, corpus or profile
            extra = re.sub(r"[^\w.+-]", "_", f"{row.protocol}-{row.profile}-{row.corpus}")
            name = f"{table}/{row.experiment}-seed-{row.seed}-{extra}.npz"
        evidence = write_evidence(results_dir / name, test, val)
        clean = row_from_dict(_without_paths(row_to_dict(row)), path.name)
        rows[key] = dataclasses.replace(
            clean,
            val=_evaluate(evidence.val),
            test=_evaluate(evidence.test),
            evidence=EvidenceFile(name, evidence.checksum),
        )
    _write_table(path, rows.values())
    named = {row.evidence.file for row in rows.values() if row.evidence}
    for old in replaced:
        if old and old.file not in named:  # its name had told it apart from a row that has gone
            (results_dir / old.file).unlink()
    return [rows[key] for key in fresh]


def read_published_evidence(results_dir: Path, row: Row) -> Evidence:
    """Read the predictions behind a published row, checked against the row's checksum.

    Raises:
        ResultsError: The row is not a published one, or its file is missing or was changed.
    """
    name = f"{row.experiment}, seed {row.seed}"
    if row.evidence is None:
        raise ResultsError(f"{results_dir}: {name} carries no evidence; publish the run")
    return read_evidence(results_dir / row.evidence.file, row.evidence.checksum)


def verify_published(results_dir: Path) -> list[Row]:
    """Recompute every metric of every published table from its evidence.

    Returns:
        All rows, in the order of the files; empty where nothing is published yet.

    Raises:
        ResultsError: A metric that differs, evidence missing or changed, or an evidence file that
            no row names.
    """
    verified = []
    for table in tables_in(Path(results_dir)):
        rows = _read_table(table)
        for row in rows:
            evidence = read_published_evidence(table.parent, row)
            for split, stored in (("val", row.val), ("test", row.test)):
                difference = _difference(stored, _evaluate(getattr(evidence, split)))
                if difference:
                    raise ResultsError(
                        f"{table}: {row.experiment}, seed {row.seed}: {split} {difference} "
                        "(row, evidence); restore the table or publish the run again"
                    )
        named = {row.evidence.file for row in rows if row.evidence}
        for path in sorted(table.with_suffix("").glob("*.npz")):
            if f"{table.stem}/{path.name}" not in named:
                raise ResultsError(f"{path}: no row of {table.name} names it; remove the file")
        verified += rows
    return verified


def _proof(folder: Path, row: Row) -> tuple[Predictions, Predictions]:
    """The run's predictions, after checking that its row follows from them."""
    if row.status != "ok":
        raise ResultsError(f"{folder}: the run {row.status} ({row.reason}); only ok runs publish")
    _check_name(row.experiment, "experiment")
    if row.test is None:
        raise ResultsError(
            f"{folder}: the run has no test metrics; run `lit-sentiment test {folder}` first"
        )
    proof = []
    for name, stored in ((TEST_FILE, row.test), (VAL_FILE, row.val)):
        predictions = read_predictions(folder / name)
        difference = _difference(stored, _evaluate(predictions))
        if difference:
            raise ResultsError(
                f"{folder / name}: {difference} (row.json, predictions); they come from different "
                "runs: run the experiment again"
            )
        proof.append(predictions)
    evaluation_log.check(row, folder)
    return proof[0], proof[1]


def _evaluate(predictions: Predictions) -> Metrics:
    return evaluate(predictions.labels, predictions.probabilities)


def _difference(stored: Metrics | None, computed: Metrics) -> str:
    """Name the first metric that differs beyond the last digits of the arithmetic, or ''."""
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


def _read_table(path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        source = f"{path}:{number}"
        row = row_from_dict(_decode(line, source), source)
        if row.evidence:
            parts = row.evidence.file.split("/")
            if len(parts) != 2 or not all(map(NAME.fullmatch, parts)):
                raise ResultsError(
                    f"{source}: evidence file is {row.evidence.file!r}; it must be <table>/<name>"
                )
            if not (path.parent / row.evidence.file).is_file():
                raise ResultsError(
                    f"{source}: evidence {path.parent / row.evidence.file} is missing; restore it "
                    "from version control, or publish the run again"
                )
        rows.append(row)
    return rows


def _write_table(path: Path, rows: Iterable[Row]) -> None:
    lines = [json.dumps(row_to_dict(row)) + "\n" for row in sorted(rows, key=_key)]
    replace_bytes(path, "".join(lines).encode())


def _decode(data: bytes, source: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:  # JSON and UTF-8 errors are both ValueErrors
        raise ResultsError(f"{source}: not JSON ({error}); run the experiment again") from error


def _check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise ResultsError(f"{what} is {name!r}; it becomes a file name: letters, digits, _ . + -")


def _without_paths(value: Any) -> Any:
    """Replace absolute paths, which tell about the machine and its user, by their last part."""
    if isinstance(value, str):
        return PATH.sub(lambda match: re.split(r"[\\/]", match[0].rstrip("\\/"))[-1], value)
    if isinstance(value, Mapping):
        return {key: _without_paths(entry) for key, entry in value.items()}
    return [_without_paths(entry) for entry in value] if isinstance(value, list) else value


def _key(row: Row) -> tuple:
    return (row.corpus, row.protocol, row.profile, row.experiment, row.seed)
