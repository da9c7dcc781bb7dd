"""One W&B run for a whole benchmark: its table, its figures, its report, files on request."""

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

# What can be sent beside the report, and the files of a run that it takes.
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
    """Sends a benchmark's tables, figures and report as one run, which a later call goes on with.

    Args:
        folder: the benchmark's folder; the run lies in its `wandb/`.
        tables: of its report.
        files: its report; reviews' texts leave the machine only on the user's word, so otherwise
            one without (`report(..., texts=False)`).
        mode: as `run.wandb_mode`.
        project: as `run.wandb_project`.
        entity: as `run.wandb_entity`.
        send: which of `FILES` go along.

    Returns:
        The folder of the W&B run; None where W&B is disabled, or failed, which is told.
    """
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
    try:
        for number, table in enumerate(tables):
            prefix = "" if len(tables) == 1 else f"{table.corpus}-{table.protocol}-{number}/"
            run.log({prefix + key: value for key, value in _media(table).items()})
            run.summary.update(_summary_values(table, prefix))
        artifact = wandb.Artifact(f"{name}-report", type="report")
        for file in (files.html, files.markdown):
            artifact.add_file(str(file))
        run.log_artifact(artifact)
        for kind in send:
            run.log_artifact(_artifact(folder, name, kind))
        run_folder = Path(run.dir).parent
    except (wandb.Error, OSError) as error:
        print(f"W&B could not take the summary ({error}); the report is complete", file=sys.stderr)
        run.finish(exit_code=1)
        return None
    run.finish()
    return run_folder


def _media(table: Table) -> dict[str, Any]:
    """The table, and the figures in W&B's own look."""
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
    """A figure for a page that does not know our roles of colour."""
    import plotly.graph_objects as go

    return go.Figure(figure)


def _summary_values(table: Table, prefix: str) -> dict[str, Any]:
    """The leading experiment and its accuracy, for lists of runs."""
    if not table.lines:
        return {}
    line = table.lines[0]
    values: dict[str, Any] = {
        f"{prefix}best_experiment": line.experiment,
        f"{prefix}experiments": len(table.lines),
    }
    for key in ("test_accuracy", "val_accuracy"):
        if value := line.values[key]:
            values[f"{prefix}best_{key}"] = value.mean
    return values


def _artifact(folder: Path, name: str, kind: str) -> wandb.Artifact:
    artifact = wandb.Artifact(f"{name}-{kind}", type=kind)
    for pattern in FILES[kind]:
        for file in sorted(folder.glob(f"*/seed-*/{pattern}")):
            artifact.add_file(str(file), name=file.relative_to(folder).as_posix())
    return artifact
