"""`benchmark`: many experiments, one table."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datamodules.console import said
from experiments.cli.common import plan_of, registry_of
from experiments.config.names import REPORT_FILES
from experiments.config.registry import ConfigError, read_profile
from experiments.launch.answers import Answer, Answers

_ON_VALIDATION = (
    "note: the corpus has no test file; the figures are those on validation, on which epochs are "
    "chosen too. --data.test FILE adds test columns."
)

if TYPE_CHECKING:  # it loads torch
    from experiments.launch.benchmark import Plan
    from experiments.launch.launcher import Launcher
    from experiments.records.row import Row


def run_benchmark(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`benchmark`: every experiment of a profile, resumable, then the report.

    The exit code is `EXIT_STOPPED` while there are runs that have not ended.
    """
    began = time.monotonic()
    folder = options.runs / (options.name or read_profile(options.profile).name)
    asked = {**vars(options), "rest": rest, "command": "benchmark"}
    answers = Answers(asked, console, [folder / name for name in REPORT_FILES])
    if (answer := answers.known()) is not None:
        answer.give(console)
        return 0
    # What follows loads torch, which takes its time.
    from experiments.launch import budget
    from experiments.training.signals import EXIT_STOPPED

    seconds = budget.seconds(options.budget) if options.budget else None
    try:
        with budget.until(began + seconds if seconds else None):
            end_of_runs = began + budget.of_runs(seconds) if seconds else None
            finished, failed = _run_and_report(options, rest, console, end_of_runs, answers)
    except budget.BudgetOver:
        finished = False
    if not finished:
        why = "the budget is used up" if seconds else "some runs have not ended"
        console.print(f"{why}; the same command goes on")
        return EXIT_STOPPED
    return 1 if failed else 0


def _run_and_report(
    options: argparse.Namespace,
    rest: list[str],
    console: Console,
    deadline: float | None,
    answers: Answers,
) -> tuple[bool, bool]:
    """Carry out the remaining runs of a benchmark before a deadline, and report.

    Returns:
        True if every run has ended; True if one of them failed.
    """
    from experiments.cli.report import summarise
    from experiments.launch import benchmark
    from experiments.launch.inputs import inputs_of
    from experiments.records.atomic import remove_leftovers
    from experiments.records.lock import exclusive_lock
    from experiments.records.plan import add_to_plan
    from experiments.records.run_files import ROW_FILE, collect
    from experiments.report import report

    plan = plan_of(options, rest)
    launcher = _launcher(options, plan)  # before looking for rows, which jobs may write meanwhile
    todo = benchmark.pending(plan, retry=options.retry)
    finished = True
    if todo:
        if not benchmark.prepare(todo, console):
            todo = benchmark.without_test(todo)
            console.print(_ON_VALIDATION, soft_wrap=True)
        with exclusive_lock(plan.folder):
            remove_leftovers(plan.folder)
            add_to_plan(plan.folder, [spec.planned for spec in plan.specs])
            todo = benchmark.take_back_earlier(todo)
            try:
                finished = not todo or benchmark.run(plan, todo, console, deadline, launcher)
            except KeyboardInterrupt:
                if options.launcher == "slurm":
                    ending = f"scancel --name lit-sentiment-{plan.name}"
                    console.print(f"the jobs go on; `{ending}` ends them")
                raise
    rows = collect(plan.folder)
    if not rows:
        return False, False
    places = inputs_of(plan, options.experiments) if options.launcher == "local" else None
    if places is not None and (tracked := _tracked(plan.folder)) is not None:
        places.append(tracked)
    before = None if places is None else answers.stamps(places)
    with console.capture() as table:
        report(plan.folder, console=console, registry=registry_of(options))
    console.file.write(table.get())
    if todo and finished:
        settings = plan.specs[0].resolve().run
        summarise(
            plan.folder,
            console,
            settings.wandb_texts,
            mode=settings.wandb_mode,
            project=settings.wandb_project,
            entity=settings.wandb_entity,
        )
    with console.capture() as use:
        _show_tracking(plan.folder, console)
        _show_use(plan.folder, rows, options.configs, console)
    console.file.write(use.get())
    # A launcher may have ended a run and been unable to write its row (a full disk).
    finished = finished and all((spec.folder / ROW_FILE).exists() for spec in plan.specs)
    if (
        finished
        and places is not None
        and {row.status for row in rows} == {"ok"}
        # While the runs went on, what they follow from may have changed.
        and not (todo and benchmark.pending(plan))
    ):
        answers.keep(Answer(table.get() + use.get(), said()), places, before)
    return finished, any(row.status == "failed" for row in rows)


def _show_tracking(folder: Path, console: Console) -> None:
    """Show the commands that look into what W&B kept of a run."""
    if (tracked := _tracked(folder)) is not None:
        console.print(
            f"W&B: `wandb leet {tracked.parent}` shows a run without an account, "
            f"`wandb sync {tracked}` sends it",
            soft_wrap=True,
        )


def _show_use(folder: Path, rows: Sequence[Row], configs: Sequence[Path], console: Console) -> None:
    """Show the commands that use the run with the best validation accuracy."""
    accuracies = {
        (row.experiment, row.seed): val.accuracy
        for row in rows
        if not row.cross_validated and (val := row.classified("val"))
    }
    if not accuracies:
        return
    experiment, seed = max(accuracies, key=lambda key: accuracies[key])
    run = folder / experiment / f"seed-{seed}"
    more = "".join(f" --configs {shlex.quote(str(one))}" for one in configs)
    command = f"lit-sentiment predict {shlex.quote(str(run))}{more}"
    console.print(f"{experiment} has the best validation accuracy; use it:", soft_wrap=True)
    console.print(f'  {command} "A fine film."', soft_wrap=True)
    console.print(f"  {command} --file reviews.csv --out predictions.csv", soft_wrap=True)


def _tracked(folder: Path) -> Path | None:
    """W&B's records of a run, on disk alone."""
    return next(folder.glob("*/*/wandb/offline-run-*"), None)


def _launcher(options: argparse.Namespace, plan: Plan) -> Launcher:
    from experiments.launch.local import LocalLauncher
    from experiments.launch.prefetch import offline_variables
    from experiments.launch.process_group import required_processes
    from experiments.launch.slurm_config import read_cluster

    if options.launcher == "local":
        if options.cluster:
            raise ConfigError(f"--cluster {options.cluster} goes with --launcher slurm")
        required_processes(plan.specs[0])  # a device that is not there stops all runs here
        return LocalLauncher(options.jobs, offline_variables(plan.specs))
    from experiments.launch.slurm import SlurmLauncher

    if options.jobs != 1:
        raise ConfigError(
            f"--jobs {options.jobs} is for this machine; on Slurm, `at_once:` in the file given as "
            "--cluster limits the jobs that run at a time"
        )
    cluster = read_cluster(options.cluster)
    return SlurmLauncher(plan.folder, cluster, options.retry, offline_variables(plan.specs))
