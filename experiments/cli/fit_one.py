"""One run of `fit`, in this process or in those that torchrun or srun started."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from datamodules.console import plain_console
from datamodules.errors import DataError
from experiments.cli.streams import terminal_copy
from experiments.launch import benchmark, launcher, process_group
from experiments.launch.benchmark import Plan
from experiments.records.lock import exclusive_lock
from experiments.records.run_files import collect, read_row, read_rows
from experiments.report.classes import print_classes
from experiments.report.evidence import analyse_labels
from experiments.report.tables import build_tables
from experiments.report.terminal import print_tables
from experiments.training import ranks
from experiments.training.run import execute
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec
from experiments.training.testing import test_run
from experiments.tuning.corpus import check_same_corpus


def fit_one(
    plan: Plan,
    console: Console,
    *,
    test: bool,
    rerun: bool,
    sweep_corpus: str | None = None,
) -> int:
    """Fit the one experiment of a plan, unless that is done, and show its row.

    Args:
        plan: of one run.
        console: for the output of rank 0.
        test: evaluate on the test rows too.
        rerun: fit a finished run again.
        sweep_corpus: fingerprint of the corpus of the sweep that the run is a trial of.

    Returns:
        The exit code.

    Raises:
        ConfigError: the run reads another corpus than its sweep.
        DataError: the corpus cannot be used, or has no test rows.
        KeyboardInterrupt: a signal stopped the run.
    """
    spec = plan.specs[0]
    spec.resolve()  # a setting that cannot be used stops here; --print_config prints and exits
    try:
        with process_group.join_process_group(spec) as rank:
            if rank.number:
                return _follow(spec)
            if sweep_corpus is not None:
                corpus = spec.resolve().corpus_fingerprint()
                check_same_corpus(f"the sweep of {plan.name}", sweep_corpus, corpus)
            return _lead(plan, console, test, rerun)
    except ranks.RankFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def show_run(folder: Path, console: Console) -> None:
    """Print the table of one run, and the figures of its classes."""
    rows = read_rows(folder)
    tables = build_tables(rows, analyse=lambda done, parts: analyse_labels(done, folder, parts))
    print_tables(console, tables)
    print_classes(console, rows[0], folder)


def _follow(spec: RunSpec) -> int:
    """Carry the run out beside rank 0, if that does; only rank 0 writes and prints."""
    try:
        if ranks.broadcast(False):
            execute(spec)
    except Stopped as stop:
        raise KeyboardInterrupt from stop
    return 0


def _lead(plan: Plan, console: Console, test: bool, rerun: bool) -> int:
    spec = plan.specs[0]
    todo = benchmark.pending(plan, retry=True, rerun=rerun)
    if todo:
        if not benchmark.prepare([replace(spec, test=test)], console):
            raise DataError(
                f"{spec.folder}: the corpus has no test rows; name a file of them with "
                "--data.test, or leave out --test"
            )
        todo = todo if rerun else benchmark.take_back_earlier(todo)
    with exclusive_lock(spec.folder):
        if todo:
            _execute(spec, console)
        else:
            ranks.broadcast(False)
            console.print(f"{spec.folder} is done already; --rerun fits it again")
        if (row := read_row(spec.folder)).status != "ok":
            print(f"error: {row.reason}", file=sys.stderr)
            return 1
        if test:
            test_run(spec.folder)
    collect(plan.folder)
    show_run(spec.folder, console)
    return 0


def _execute(spec: RunSpec, console: Console) -> None:
    console.print(f"{spec.folder}: the log goes to {launcher.LOG_FILE} there")
    # A copy of the terminal: the run's own output goes to its log.
    terminal = plain_console(file=terminal_copy())
    with terminal.status("starting") as status:
        launcher.clear_run_folder(spec)
        ranks.broadcast(True)  # the other ranks execute it too
        outcome = launcher.run_and_record(
            spec, lambda what, share: status.update(Text(f"{spec.experiment}: {what}"))
        )
    if outcome == "stopped":
        raise KeyboardInterrupt
