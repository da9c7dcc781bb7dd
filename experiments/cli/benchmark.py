"""`benchmark`: many experiments, one table."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.cli.common import plan_of
from experiments.config.registry import ConfigError

if TYPE_CHECKING:  # it loads torch
    from experiments.launch.benchmark import Plan
    from experiments.launch.launcher import Launcher


def run_benchmark(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`benchmark`: every experiment of a profile, resumable, then the report."""
    from experiments.cli.report import summarise
    from experiments.launch import benchmark
    from experiments.launch.launcher import exclusive_lock
    from experiments.records.atomic import remove_leftovers
    from experiments.records.plan import add_to_plan
    from experiments.records.run_files import collect
    from experiments.report import report

    budget = benchmark.seconds(options.budget) if options.budget else None
    deadline = time.monotonic() + budget if budget else None
    plan = plan_of(options, rest)
    launcher = _launcher(options, plan)  # before looking for rows, which jobs may write meanwhile
    todo = benchmark.pending(plan, retry=options.retry)
    finished = True
    if todo:
        benchmark.prepare(todo, console)
        with exclusive_lock(plan.folder):
            remove_leftovers(plan.folder)
            add_to_plan(plan.folder, [spec.planned for spec in plan.specs])
            todo = benchmark.take_back_earlier(todo)
            try:
                finished = not todo or benchmark.run(plan, todo, console, deadline, launcher)
            except KeyboardInterrupt:
                if options.launcher == "slurm":
                    ending = f"scancel --name lit-sentiment-{plan.name}"
                    console.print(f"the jobs go on; `{ending}` ends them", highlight=False)
                raise
    rows = collect(plan.folder)
    if not rows:
        console.print("no run has ended yet; the same command goes on", highlight=False)
        return 0
    report(plan.folder, console=console)
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
    tracked = next((plan.folder.glob("*/*/wandb/offline-run-*")), None)
    if tracked is not None:
        console.print(
            f"W&B: `wandb leet {tracked.parent}` shows a run without an account, "
            f"`wandb sync {tracked}` sends it",
            soft_wrap=True,
            highlight=False,
        )
    if not finished:
        console.print("the budget is used up; the same command goes on", highlight=False)
    return 1 if any(row.status == "failed" for row in rows) else 0


def _launcher(options: argparse.Namespace, plan: Plan) -> Launcher:
    from experiments.launch.local import LocalLauncher
    from experiments.launch.prefetch import offline_variables
    from experiments.launch.slurm_config import read_cluster

    if options.launcher == "local":
        if options.cluster:
            raise ConfigError(f"--cluster {options.cluster} goes with --launcher slurm")
        return LocalLauncher(options.jobs, offline_variables(plan.specs))
    from experiments.launch.slurm import SlurmLauncher

    if options.jobs != 1:
        raise ConfigError(
            f"--jobs {options.jobs} is for this machine; on Slurm, `at_once:` in the file given as "
            "--cluster limits the jobs that run at a time"
        )
    cluster = read_cluster(options.cluster)
    return SlurmLauncher(plan.folder, cluster, options.retry, offline_variables(plan.specs))
