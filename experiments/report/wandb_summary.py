"""A W&B run that summarises a benchmark: tables, figures, report and, on request, run files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb

from experiments.records.run_files import TEST_FILE, VAL_FILE
from experiments.report import ReportFiles
from experiments.report.comparison import intervals, pairs
from experiments.report.costs import costs
from experiments.report.figure import Figure
from experiments.report.tables import Table
from experiments.training import wandb_run

# Kinds of files that can be sent besides the report, with the names of the files.
FILES = {
    "predictions": (TEST_FILE, VAL_FILE),
    "checkpoints": ("model.*", "arrays.*", "encoder.json", "tokenizer.json", "config.yaml"),
}
JOB_TYPE = "summary"


def summarise_benchmark(
    folder: Path,
    tables: Sequence[Table],
    files: ReportFiles,
    *,
    mode: str = "auto",
    project: str | None = None,
    entity: str | None = None,
    send: Sequence[str] = (),
) -> Path | None:
    """Send the tables, figures and report of a benchmark as one run; a later call continues it.

    Args:
        folder: The benchmark folder; the W&B run is in its `wandb/`.
        tables: Tables of its report.
        files: Its report, without texts of reviews (`report(..., texts=False)`) unless the user
            agreed to upload them.
        mode: As `run.wandb_mode`.
        project: As `run.wandb_project`.
        entity: As `run.wandb_entity`.
        send: Kinds of `FILES` to send as well.

    Returns:
        The folder of the W&B run; None if W&B is disabled, or failed (with a message).
    """
    try:
        return _send(folder, tables, files, send, mode, project, entity)
    except Exception as error:  # the client passes on whatever its connection raises
        print(f"W&B could not take the summary ({error}); the report is complete", file=sys.stderr)
        return None


def _send(
    folder: Path,
    tables: Sequence[Table],
    files: ReportFiles,
    send: Sequence[str],
    mode: str,
    project: str | None,
    entity: str | None,
) -> Path | None:
    name = folder.resolve().name
    run = wandb_run.open_run(
        folder,
        mode,
        project=project,
        entity=entity,
        name=f"{name}-summary",
        group=name,
        job_type=JOB_TYPE,
        tags=sorted({table.corpus for table in tables} | {table.profile for table in tables}),
        config={"benchmark": name},
    )
    if run is None:
        return None
    exit_code = 1
    try:
        for number, table in enumerate(tables):
            prefix = "" if len(tables) == 1 else f"{table.corpus}-{table.profile}-{number}/"
            run.log({prefix + key: value for key, value in _media(table).items()})
            run.summary.update(_summary_values(table, prefix))
        artifact = wandb.Artifact(f"{name}-report", type="report")
        for file in (files.html, files.markdown):
            artifact.add_file(str(file))
        run.log_artifact(artifact)
        for kind in send:
            run.log_artifact(_artifact(folder, name, kind))
        run_folder = Path(run.dir).parent
        exit_code = 0
    finally:
        run.finish(exit_code=exit_code)
    return run_folder


def _media(table: Table) -> dict[str, Any]:
    """Table and figures as W&B media."""
    heads: list[str | int] = ["experiment", "architecture", "family", "seeds"]
    heads += [column.key for column in table.columns] + ["low", "high", "group"]
    rows = wandb.Table(columns=heads)
    for line in table.lines:
        values = [line.values[column.key] for column in table.columns]
        one = line.interval
        rows.add_data(
            line.experiment,
            line.architecture,
            line.family,
            len(line.seeds),
            *(value.mean if value else None for value in values),
            100 * one.low if one else None,
            100 * one.high if one else None,
            line.group,
        )
    figures = {f"accuracy against {cost.name}": cost.figure for cost in costs(table)}
    figures |= {"intervals": intervals(table) or {}, "pairs": pairs(table) or {}}
    drawn = {name: wandb.Plotly(_plain(figure)) for name, figure in figures.items() if figure}
    return {"table": rows, **drawn}


def _plain(figure: Figure) -> Any:
    """Convert a figure to one in Plotly's default colours."""
    import plotly.graph_objects as go

    return go.Figure(figure)


def _summary_values(table: Table, prefix: str) -> dict[str, Any]:
    """Best experiment and its accuracies, for lists of runs."""
    if not table.lines:
        return {}
    line = table.lines[0]
    values: dict[str, Any] = {
        f"{prefix}best_experiment": line.experiment,
        f"{prefix}experiments": len(table.lines),
    }
    for key in ("test_accuracy", "val_accuracy"):
        if value := line.values.get(key):
            values[f"{prefix}best_{key}"] = value.mean
    return values


def _artifact(folder: Path, name: str, kind: str) -> wandb.Artifact:
    artifact = wandb.Artifact(f"{name}-{kind}", type=kind)
    for pattern in FILES[kind]:
        for file in sorted(folder.glob(f"*/seed-*/{pattern}")):
            artifact.add_file(str(file), name=file.relative_to(folder).as_posix())
    return artifact
