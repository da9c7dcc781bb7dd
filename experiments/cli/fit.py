"""`fit` and `test`: one experiment, and its test metrics.

Modules that load torch are imported in functions here and in the other commands, so that usage and
help come at once.
"""

from __future__ import annotations

import argparse
import os

from rich.console import Console

from experiments.cli.common import overrides_of, registry_of
from experiments.config.registry import read_profile


def fit(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`fit`: a benchmark of one, in this process."""
    from experiments.cli.fit_one import fit_one
    from experiments.launch import benchmark

    plan = benchmark.expand(
        registry_of(options),
        read_profile(options.profile),
        names=[options.config],
        seeds=[options.seed],
        name=os.path.expandvars(options.name),
        runs=options.runs,
        overrides=overrides_of(options, rest),
        test=False,  # test rows are evaluated only where the user says --test
    )
    return fit_one(
        plan, console, test=options.test, rerun=options.rerun, sweep_corpus=options.sweep_corpus
    )


def test(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`test`: add test metrics to a finished run."""
    from experiments.cli.fit_one import show_run
    from experiments.records.lock import exclusive_lock
    from experiments.records.run_files import TABLE_FILE, collect, read_row
    from experiments.training.run import test_run

    registry_of(options)
    read_row(options.run)  # that there is a run is said before its folder is locked
    with exclusive_lock(options.run):
        test_run(options.run)
    benchmark = options.run.resolve().parents[1]
    if (benchmark / TABLE_FILE).exists():  # elsewhere the run folder stands alone
        collect(benchmark)
    show_run(options.run, console)
    return 0
