"""`table` and `table-publish`: the queue of the published table, and what it has finished."""

from __future__ import annotations

import argparse
import os
import time

from rich.console import Console

from experiments.cli.common import overrides_of
from experiments.config.registry import CONFIGS, Registry, read_profile
from experiments.machine import openmp
from experiments.machine.quiet import quiet_file


def run_table(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`table`: every experiment with three seeds, one run at a time, halted while others time.

    `make table` runs it in a clean clone of a commit. The exit code is `EXIT_STOPPED` while there
    are runs that have not ended.
    """
    lock = quiet_file()  # in the user's cache; that of the queue is its own
    os.environ["LIT_SENTIMENT_CACHE"] = str(options.place.resolve() / "cache")
    os.environ[openmp.THREADS] = "1"
    began = time.monotonic()
    from experiments.launch import budget
    from experiments.launch.halting import run_halting
    from experiments.launch.table import TABLE, Queue
    from experiments.records.logs import RESULTS
    from experiments.training.signals import EXIT_STOPPED

    seconds = budget.seconds(options.budget) if options.budget else None
    deadline = began + seconds if seconds else None
    queue = Queue(
        Registry([CONFIGS / "word2vec", *options.configs]),
        read_profile(options.profile),
        runs=options.place.resolve() / "runs",
        published=RESULTS / f"{TABLE}.jsonl",
        names=options.experiments,
        overrides=overrides_of(options, rest),
    )
    if queue.left_out:
        console.print(f"left out, since their weights are on a hub: {', '.join(queue.left_out)}")
    for part in queue.parts():
        console.print(f"seed {part.seed}, {part.protocol}: {len(part.specs)} runs left")
        command = queue.command(part)
        if deadline is not None:
            if (left := deadline - time.monotonic()) < budget.LEAST_BUDGET:
                console.print("the budget is used up; the same command goes on")
                return EXIT_STOPPED
            command.append(f"--budget={left:.0f}s")
        code = run_halting(command, lock, console.print, deadline)
        if not part.is_over():
            return code or EXIT_STOPPED
    failed = [f"{row.experiment} seed {row.seed}" for row in queue.rows() if row.status != "ok"]
    console.print(f"no result: {', '.join(failed)}" if failed else "the table is whole")
    return 1 if failed else 0


def publish_table(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`table-publish`: copy the queue's new rows, evidence and log lines to the results."""
    from experiments.launch.table import TABLE
    from experiments.records import test_log, tuning_log
    from experiments.records.from_clone import add_lines, finished, results_of
    from experiments.records.publishing import publish

    Registry(options.configs)
    for place in options.place:
        results = results_of(place)
        for log in (test_log.LOG, tuning_log.LOG):
            console.print(f"{place}: {add_lines(results / log.name, log)} lines for {log.name}")
        runs = finished(place / "runs" / TABLE, options.results / f"{TABLE}.jsonl")
        for row in publish(runs, TABLE, options.results) if runs else []:
            console.print(f"{TABLE}: {row.experiment} seed {row.seed}")
    return 0
