"""Publication of rows together with their predictions, and verification of published tables."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.config.names import check_name
from experiments.records import test_log
from experiments.records.atomic import replace_bytes
from experiments.records.evidence import Evidence, encode, read_evidence, write_evidence
from experiments.records.groups import add_groups, groups_file, with_groups
from experiments.records.logs import LOG_FILES
from experiments.records.metrics import ClassMetrics, Metrics, older_auroc
from experiments.records.predictions import read_outputs
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.outputs import Outputs
from experiments.records.row import EvidenceFile, Part, ResultsError, Row
from experiments.records.row_schema import LATER_METRICS, row_from_dict, row_to_dict
from experiments.records.run_files import (
    check_files,
    key_of,
    predictions_file,
    read_row,
    read_table,
    tables_in,
    write_table,
)

SUPERSEDED = "superseded"  # folder of rows that were replaced
# An absolute path of two or more parts, on Linux, macOS or Windows, but not the tail of a URL.
PATH = re.compile(r"(?<![\w:/\\.~])(?:file://|~|[A-Za-z]:)?(?:[\\/][^\\/\s\"'<>|:;,()]+){2,}[\\/]?")


def publish(run_folders: Iterable[Path], table: str, results_dir: Path) -> list[Row]:
    """Copy runs and their predictions into a published table.

    The metrics of a published row are computed from the stored 16-bit log-odds. A run that
    is in the table already (same experiment, seed, corpus and profile) is replaced; the row that
    was there is kept in `superseded`. All runs are checked before anything is written. Of
    file-system paths only the last part is kept.

    Args:
        run_folders: Finished run folders, each with test and validation predictions.
        table: Name of the table, a plain file name.
        results_dir: The published folder.

    Returns:
        The published rows of these runs.

    Raises:
        ResultsError: A run that failed, is not complete, was not tested, whose predictions do not
            give the metrics in its row, or whose evaluation on an official test split was not
            logged; two runs with the same key; rows of a corpus that would have unequal tasks.
        ConfigError: A table or an experiment has a name that cannot be that of a file.
        OSError: As raised by the file system.
    """
    fresh: dict[tuple, tuple[Row, dict[Part, Outputs]]] = {}
    for folder in map(Path, run_folders):
        row = read_row(folder)
        if key_of(row) in fresh:
            raise ResultsError(
                f"{folder}: second run of {row.experiment}, seed {row.seed} on {row.corpus} "
                f"({row.profile}); publish one of them"
            )
        fresh[key_of(row)] = (row, _checked_predictions(folder, row))
    if not fresh:
        raise ResultsError("0 runs were given; name at least one finished run folder")
    return store(fresh.values(), table, results_dir)


def store(
    runs: Iterable[tuple[Row, dict[Part, Outputs]]], table: str, results_dir: Path
) -> list[Row]:
    """Write rows and their predictions into a published table, as `publish` does.

    Args:
        runs: Checked rows, no two with the same key, with the predictions of each.
        table: Name of the table.
        results_dir: The published folder.

    Raises:
        ResultsError: The table has rows of this name and of another origin.
        ConfigError: The table has a name that cannot be that of a file.
        OSError: As raised by the file system.
    """
    check_name(table, "table")
    if f"{table}.jsonl" in LOG_FILES:
        raise ResultsError(f"table is {table!r}, the name of a log; choose another")
    fresh = {key_of(row): (row, parts) for row, parts in runs}
    path = results_dir / f"{table}.jsonl"
    rows = {key_of(row): row for row in (read_table(path) if path.is_file() else [])}
    _check_origins([*rows.values(), *(row for row, _ in fresh.values())], path)
    _check_tasks(path, [*(rows | {key: row for key, (row, _) in fresh.items()}).values()])
    for row, parts in fresh.values():
        add_groups(groups_file(results_dir, table), str(row.corpus_fingerprint), parts)
    published, files = dict[tuple, Row](), dict[str, tuple[dict[Part, Outputs], float | None]]()
    taken = {row.evidence.file for key, row in rows.items() if row.evidence and key not in fresh}
    for key, (row, parts) in fresh.items():
        name = f"{table}/{row.experiment}-seed-{row.seed}.npz"
        if name in taken:  # the same experiment under another corpus or profile
            extra = re.sub(r"[^\w.+-]", "_", f"{row.profile}-{row.corpus}")
            name = f"{table}/{row.experiment}-seed-{row.seed}-{extra}.npz"
        evidence, _ = encode(parts, row.threshold)
        files[name] = parts, row.threshold
        clean = row_from_dict(strip_paths(row_to_dict(row)), path.name)
        published[key] = dataclasses.replace(
            clean.with_parts(
                {part: p.evaluate(row.threshold) for part, p in evidence.parts.items()}
            ),
            evidence=EvidenceFile(name, evidence.checksum),
            checksums={},  # of the files in the run folder, which stay there
        )
    replaced = [rows[key] for key in fresh if key in rows and rows[key] != published[key]]
    _supersede(replaced, table, results_dir)
    for name, content in files.items():
        write_evidence(results_dir / name, *content)
    rows |= published
    write_table(path, rows.values())
    named = {row.evidence.file for row in rows.values() if row.evidence}
    for old in (row.evidence for row in replaced):
        if old and old.file not in named:  # kept in `superseded`
            (results_dir / old.file).unlink()
    return [rows[key] for key in fresh]


def _check_origins(rows: Iterable[Row], path: Path) -> None:
    origins: dict[str, str] = {}
    for row in rows:
        if origins.setdefault(row.experiment, row.origin) != row.origin:
            raise ResultsError(
                f"{path}: {row.experiment!r} would name claimed and recomputed rows, which are not "
                "averaged; give the claimed ones another --name"
            )


def _check_tasks(path: Path, rows: Iterable[Row]) -> None:
    """Refuse a table in which rows of a corpus would be of unequal tasks."""
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.corpus, row)
        if row.task != other.task:
            raise ResultsError(
                f"{path}: {other.experiment}, seed {other.seed} is of task {other.task} and "
                f"{row.experiment}, seed {row.seed} of task {row.task}, whose splits or metrics "
                "differ; publish rows of another task under another --table"
            )


def _supersede(replaced: list[Row], table: str, results_dir: Path) -> None:
    """Keep rows that are replaced, with their evidence, in `superseded`: they were looks, too."""
    home = results_dir / SUPERSEDED
    path = home / f"{table}.jsonl"
    rows = read_table(path) if path.is_file() else []
    for row in replaced:
        if row.evidence:
            name = f"{table}/{row.experiment}-seed-{row.seed}-{row.evidence.checksum[:8]}.npz"
            content = (results_dir / row.evidence.file).read_bytes()
            replace_bytes(home / name, content)
            row = dataclasses.replace(row, evidence=EvidenceFile(name, row.evidence.checksum))
        if row not in rows:
            rows.append(row)
    if replaced:
        write_table(path, rows)
        groups = groups_file(results_dir, table)
        if groups.is_file():
            replace_bytes(groups_file(home, table), groups.read_bytes())


def read_published_evidence(results_dir: Path, row: Row) -> Evidence:
    """Read the predictions behind a published row, checked against the row's checksum.

    Raises:
        ResultsError: The row is not published, or its file is missing or was changed.
    """
    name = f"{row.experiment}, seed {row.seed}"
    if row.evidence is None:
        raise ResultsError(f"{results_dir}: {name} has no evidence; publish the run")
    evidence = read_evidence(results_dir / row.evidence.file, row.evidence.checksum)
    if row.protocol == "refit" and row.test is None and "test" in evidence.parts:
        # Format 1 had no name for the test predictions of a second fit.
        parts: dict[Part, Outputs] = {
            "val": evidence.parts["val"],
            "test_refit": evidence.parts["test"],
        }
        evidence = dataclasses.replace(evidence, parts=parts)
    if evidence.parts.keys() != (given := {p for p, metrics in row.parts.items() if metrics}):
        raise ResultsError(
            f"{results_dir / row.evidence.file}: has predictions of {sorted(evidence.parts)}, its "
            f"row metrics of {sorted(given)}; publish the run again"
        )
    groups = groups_file(results_dir, row.evidence.file.partition("/")[0])
    parts = with_groups(evidence.parts, groups, row.corpus_fingerprint)
    return dataclasses.replace(evidence, parts=parts)


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
            for part, predictions in evidence.parts.items():
                if difference := metrics_difference(row, part, predictions):
                    raise ResultsError(
                        f"{table}: {row.experiment}, seed {row.seed}: {part} {difference} "
                        "(row, evidence); restore the table or publish the run again"
                    )
        named = {row.evidence.file for row in rows if row.evidence}
        for path in sorted(table.with_suffix("").glob("*.npz")):
            if f"{table.stem}/{path.name}" not in named:
                raise ResultsError(f"{path}: no row of {table.name} refers to it; remove the file")
        verified += rows
    return verified


def _checked_predictions(folder: Path, row: Row) -> dict[Part, Outputs]:
    """Read the predictions of a run and check that its metrics follow from them."""
    if row.status != "ok":
        raise ResultsError(
            f"{folder}: the run {row.status} ({row.reason}); only ok runs can be published"
        )
    check_name(row.experiment, "experiment")
    if not row.tested:
        raise ResultsError(
            f"{folder}: the run has no test metrics; run `lit-sentiment test {folder}` first"
        )
    parts = {}
    for part, stored in row.parts.items():
        if stored is None:
            continue
        file = predictions_file(folder, row, part)
        parts[part] = read_outputs(file)
        if difference := metrics_difference(row, part, parts[part]):
            raise ResultsError(
                f"{file}: {difference} (row.json, predictions); they come from different runs: run "
                "the experiment again"
            )
    check_files(folder, row)
    test_log.check_logged(row, folder)
    return parts


def metrics_difference(row: Row, part: Part, outputs: Outputs) -> str:
    """Describe the first metric of a part that does not follow from outputs; empty if all do.

    Older rows lack some figures, which are then not compared.
    """
    stored, computed = row.parts[part], outputs.evaluate(row.threshold)
    if isinstance(outputs, Predictions) and isinstance(stored, Metrics):
        older = older_auroc(outputs.labels, outputs.probabilities)
        computed = dataclasses.replace(computed, auroc=older) if stored.auroc == older else computed
    for name in (field.name for field in dataclasses.fields(computed)):
        one, two = getattr(stored, name, None), getattr(computed, name)
        if not (one is None and name in LATER_METRICS) and not _close(one, two):
            return f"{name} is {one} and {two}"
    return ""


def _close(one: Any, two: Any) -> bool:
    if isinstance(one, float | int) and isinstance(two, float | int):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, ClassMetrics) and isinstance(two, ClassMetrics):
        one, two = list(vars(one).values()), list(vars(two).values())
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_close, one, two))
    return bool(one == two)


def strip_paths(value: Any) -> Any:
    """Replace absolute paths, which reveal machine and user, by their last part."""
    if isinstance(value, str):
        return PATH.sub(lambda match: re.split(r"[\\/]", match[0].rstrip("\\/"))[-1], value)
    if isinstance(value, Mapping):
        return {key: strip_paths(entry) for key, entry in value.items()}
    return [strip_paths(entry) for entry in value] if isinstance(value, list) else value
