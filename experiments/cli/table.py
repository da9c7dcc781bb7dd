"""`table`, `table-publish`, `table-times`: the published table, what has ended, and its times."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from datamodules.store.cache import default_cache_dir
from experiments.cli.common import overrides_of
from experiments.config.identity import setting_hash
from experiments.config.registry import CONFIGS, VARIANTS, Registry, read_profile
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
    from experiments.launch.table import Queue
    from experiments.records.logs import RESULTS
    from experiments.training.signals import EXIT_STOPPED

    seconds = budget.seconds(options.budget) if options.budget else None
    deadline = began + seconds if seconds else None
    queue = Queue(
        Registry([*(CONFIGS / name for name in VARIANTS), *options.configs]),
        read_profile(options.profile),
        runs=options.place.resolve() / "runs",
        published=RESULTS,
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
    from experiments.launch.table import TABLE, TABLES
    from experiments.records import test_log, tuning_log
    from experiments.records.from_clone import add_lines, finished, results_of
    from experiments.records.publishing import publish
    from experiments.records.run_files import read_row

    Registry(options.configs)
    for place in options.place:
        results = results_of(place)
        for log in (test_log.LOG, tuning_log.LOG):
            console.print(f"{place}: {add_lines(results / log.name, log)} lines for {log.name}")
        for problem, table in TABLES.items():
            runs = finished(place / "runs" / TABLE, options.results / f"{table}.jsonl")
            runs = [run for run in runs if read_row(run).problem == problem]
            for row in publish(runs, table, options.results) if runs else []:
                console.print(f"{table}: {row.experiment} seed {row.seed}")
    return 0


def time_table(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`table-times`: times of the published experiments, one at a time with nothing beside it.

    Each is kept as soon as it is measured, so that the same command goes on after a stop: what has
    been measured is measured again only if it is named. An experiment whose published row has
    other settings than today is left out. The exit code is 1 if a measurement failed.
    """
    from experiments.launch.table import TABLES, Queue
    from experiments.records.times import keep_times, read_times, times_file
    from experiments.speed.alone import time_alone

    failed = list[str]()
    default_cache_dir().mkdir(parents=True, exist_ok=True)
    # Word vectors in the user's cache were learnt beside other work: this one starts empty.
    with tempfile.TemporaryDirectory(prefix="times-", dir=default_cache_dir()) as cache:
        queue = Queue(
            Registry([*(CONFIGS / name for name in VARIANTS), *options.configs]),
            read_profile(options.profile),
            runs=Path(cache, "runs"),
            published=options.results,
            names=options.experiments,
            overrides=[*overrides_of(options, rest), f"--data.cache_dir={cache}"],
        )
        todo = queue.to_time()
        for name in sorted(queue.specs.keys() - {spec.experiment for spec, _ in todo}):
            console.print(f"left out, since no row of its present settings is published: {name}")
        if not options.experiments:
            files = [times_file(options.results / f"{one}.jsonl") for one in TABLES.values()]
            known = {times.setting for file in files for times in read_times(file)}
            todo = [one for one in todo if setting_hash(one[0].resolve().config) not in known]
        for spec, epochs in todo:
            console.print(f"{spec.experiment}: measuring")
            most = {"epochs": epochs, "seconds": options.seconds, "threads": options.threads}
            try:
                times = time_alone(spec, **most)
            except SystemExit as error:
                print(f"error: {spec.experiment}: {error}", file=sys.stderr)
                failed.append(spec.experiment)
                continue
            table = TABLES[spec.resolve().model_class.problem]
            keep_times(times_file(options.results / f"{table}.jsonl"), times)
            console.print(f"{spec.experiment}: {times.fit_seconds(epochs):.1f} s a fit")
    return 1 if failed else 0
