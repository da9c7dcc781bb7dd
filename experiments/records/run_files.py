"""Rows on disk: a run's `row.json`, a benchmark's `results.jsonl`, and the published tables.

The schema is in `experiments.records.row`. Layouts:

    runs/<benchmark>/<experiment>/seed-<n>/row.json     one run; its presence means completion
    runs/<benchmark>/<experiment>/seed-<n>/refit/       model and predictions of the second fit
    runs/<benchmark>/results.jsonl                      all of them, derived by `collect`
    <published>/<table>.jsonl                           published rows
    <published>/<table>/<experiment>-seed-<n>.npz       the predictions behind them
    <published>/<table>.groups.npz                      the movies of their reviews
    <published>/<table>.times.json                      times measured apart (`records.times`)
    <published>/superseded/                             tables of rows that were replaced
    <published>/test_log.jsonl, tuning_log.jsonl        evaluations and trials (`records.logs`)
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from datamodules.console import say_once
from datamodules.upgrade.translate import current_config
from experiments.config.names import NAME, check_part
from experiments.config.registry import ConfigError, read_yaml
from experiments.records.atomic import replace_bytes
from experiments.records.logs import LOG_FILES
from experiments.records.row import Part, ResultsError, Row
from experiments.records.row_schema import row_from_dict, row_to_dict

CONFIG_FILE = "config.yaml"
EARLIER = "earlier"  # folder of runs that were set aside
ROW_FILE = "row.json"
TABLE_FILE = "results.jsonl"  # the rows of a benchmark, derived by `collect`
TEST_FILE = "predictions.parquet"
VAL_FILE = "val_predictions.parquet"
REFIT = "refit"  # folder of the second fit in that of the run
Weights = Literal["holdout", "refit"]
MODEL_FILES = (
    *(CONFIG_FILE, "encoder.json", "tokenizer.json"),
    *("model.ckpt", "arrays.safetensors", "model.skops"),
)
"""Files from which a run predicts; those of the model are the checkpoint, or the arrays with
or without an estimator as skops."""
_RESTORE = "restore it, or run the experiment again"


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
    row = row_from_dict(_decode(path.read_bytes(), str(path)), str(path))
    config_file = path.parent / CONFIG_FILE
    if not row.config and config_file.is_file():  # a row of schema 1
        row = dataclasses.replace(row, config=read_yaml(config_file))
    return row


def read_config(folder: Path) -> dict[str, Any]:
    """Read the settings of a run folder, under today's names.

    Raises:
        ConfigError: `config.yaml` is missing, or is no YAML mapping.
    """
    return current_config(read_yaml(folder / CONFIG_FILE))


def read_rows(folder: Path) -> list[Row]:
    """Read all rows of a run folder, a benchmark folder, a published folder or a .jsonl file.

    Args:
        folder: Where to look; runs without `row.json` are not complete and left out.

    Returns:
        Rows by corpus, profile, experiment and seed.

    Raises:
        ResultsError: No rows there, a published row that does not fit the schema or whose evidence
            file is missing, or runs all of whose rows are damaged.
    """
    folder = Path(folder)
    runs = sorted(p for p in folder.glob(f"*/seed-*/{ROW_FILE}") if p.parts[-3] != EARLIER)
    tables = [folder] if folder.is_file() else tables_in(folder)
    if (folder / ROW_FILE).is_file():
        rows = [read_row(folder)]
    elif runs:
        rows = _readable(runs)
    elif tables:
        rows = [row for table in tables for row in read_table(table)]
    else:
        inside = sorted(
            {str(path.parents[2]) for path in folder.glob(f"*/*/seed-*/{ROW_FILE}")} - {str(folder)}
        )
        hint = f"; give one of its benchmarks: {', '.join(inside)}" if inside else ""
        raise ResultsError(
            f"{folder}: no finished runs here. A benchmark folder holds <experiment>/seed-<n>/"
            f"{ROW_FILE}, a published folder <table>.jsonl{hint}"
        )
    return sorted(rows, key=key_of)


def _readable(files: list[Path]) -> list[Row]:
    """Rows of runs; a damaged one is named and left out, unless there is no other.

    Raises:
        ResultsError: All are damaged.
    """
    rows, problem = [], None
    for file in files:
        try:
            rows.append(read_row(file))
        except ResultsError as error:
            say_once(f"{error}")
            problem = error
    if problem and not rows:
        raise problem
    return rows


def tables_in(folder: Path) -> list[Path]:
    """Tables of rows in a folder, without the logs beside them."""
    return sorted(path for path in folder.glob("*.jsonl") if path.name not in LOG_FILES)


def weights_folder(folder: Path, row: Row, weights: Weights | None = None) -> Path:
    """Folder of the model, encoder and test predictions of one fit of a run.

    Args:
        folder: The run folder.
        row: Its row.
        weights: Which fit; None: the last.

    Raises:
        ResultsError: The run has no such weights.
    """
    both = row.protocol == "refit" and (folder / REFIT).is_dir()
    available: list[Weights] = ["holdout", "refit"] if both else [_only_fit(row)]
    wanted = weights or available[-1]
    if wanted not in available:
        raise ResultsError(
            f"{folder}: has the {available[0]} weights alone, not the {wanted} ones; fit it again "
            f"with --run.protocol {wanted}"
        )
    return folder / REFIT if both and wanted == "refit" else folder


def predictions_file(folder: Path, row: Row, part: Part) -> Path:
    """File of the predictions of a part."""
    if part == "val":
        return folder / VAL_FILE
    return weights_folder(folder, row, "refit" if part == "test_refit" else "holdout") / TEST_FILE


def _only_fit(row: Row) -> Weights:
    """Fit whose weights are in the run folder itself; older runs kept those of the last alone."""
    return "refit" if row.protocol == "refit" else "holdout"


def checksum(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in a run folder that a figure or a prediction comes from, by name."""
    of_fit = (*MODEL_FILES, TEST_FILE)
    names = [VAL_FILE, *of_fit, *(f"{REFIT}/{name}" for name in of_fit)]
    return {name: checksum(folder / name) for name in names if (folder / name).is_file()}


def check_has_model(folder: Path, row: Row) -> None:
    """Refuse a cross-validated run and an ensemble, which have no model.

    Raises:
        ConfigError: It is one.
    """
    if row.members:
        raise ConfigError(
            f"{folder}: an ensemble has no model; use the runs of its members, "
            f"{', '.join(row.members)}, as in `lit-sentiment predict RUN --with RUN --ensemble`"
        )
    if row.cross_validated:
        raise ConfigError(
            f"{folder}: its models were validated on {row.tuning.get('chosen_on')} and not kept, "
            "so that there is none to predict with; fit the experiment without --run.folds"
        )


def check_files(folder: Path, row: Row) -> None:
    """Refuse a run folder with a file that is not the one that the run left.

    That finds accidents, such as a copy that broke off or a checkpoint of another run. Rows of
    older runs do not list their files; that these are unverified is said once.

    Args:
        folder: The run folder.
        row: Its row.

    Raises:
        ResultsError: A listed file is missing or different.
    """
    if not row.checksums.keys() & set(MODEL_FILES):
        say_once("a run older than the list of its files: they are read unverified")
    for name, expected in row.checksums.items():
        file = folder / name
        check_part(name.removeprefix(f"{REFIT}/"), "file in the list of checksums")
        if not file.is_file():
            raise ResultsError(f"{file}: is missing, {ROW_FILE} lists it; {_RESTORE}")
        if (found := checksum(file)) != expected:
            raise ResultsError(
                f"{file}: its checksum is {found[:12]}…, {ROW_FILE} says {expected[:12]}…: it was "
                f"changed after the run; {_RESTORE}"
            )


def collect(benchmark_folder: Path) -> list[Row]:
    """Derive `results.jsonl` from the `row.json` files of a benchmark and return its rows.

    Where no run has ended there are no rows, and an older file is removed.

    Raises:
        ResultsError: As `read_rows`.
        OSError: As raised by the file system.
    """
    derived = benchmark_folder / TABLE_FILE
    if not any(benchmark_folder.glob(f"*/*/{ROW_FILE}")):
        derived.unlink(missing_ok=True)
        return []
    rows = read_rows(benchmark_folder)
    write_table(derived, rows)
    return rows


def read_table(path: Path) -> list[Row]:
    """Read a published table.

    Raises:
        ResultsError: A line that is no row, or a row whose evidence is missing.
    """
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


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write a table, sorted, whole or not at all."""
    lines = [json.dumps(row_to_dict(row)) + "\n" for row in sorted(rows, key=key_of)]
    replace_bytes(path, "".join(lines).encode())


def _decode(data: bytes, source: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:  # JSON and UTF-8 errors are both ValueErrors
        raise ResultsError(f"{source}: not JSON ({error}); run the experiment again") from error


def key_of(row: Row) -> tuple:
    """Key of a row: no two rows of a table have the same."""
    kept_out = row.excluded or ""
    return (row.corpus, row.profile, kept_out, row.experiment, row.seed)
