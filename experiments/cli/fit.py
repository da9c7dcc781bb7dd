"""`fit` and `test`: one experiment, and its test metrics.

Modules that load torch are imported in functions here and in the other commands, so that usage and
help come at once.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.cli.common import overrides_of, registry_of
from experiments.cli.options import path
from experiments.config.registry import ConfigError, read_profile

if TYPE_CHECKING:
    from experiments.inference.own_test import OwnTest


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


def add_test_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `test`."""
    sub.add_argument("run", type=path, help="a run folder")
    sub.add_argument(
        "--data.label_map",
        dest="label_map",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL=LABEL",
        help="labels of FILE and those of the run that they mean, such as positivo=pos",
    )
    sub.add_argument(
        "--data.test",
        dest="test_file",
        type=path,
        metavar="FILE",
        help="labelled texts that the run was fitted without (docs/own-data.md)",
    )
    for name, what in (
        ("text_column", "column of texts in FILE (the one with a common name)"),
        ("label_column", "column of labels in FILE (the one with a common name)"),
        ("label_separator", "what divides several labels of a text in FILE (as in the run's)"),
        ("encoding", "encoding of FILE (utf-8)"),
        ("delimiter", "character between two fields of FILE (guessed)"),
    ):
        sub.add_argument(f"--data.{name}", dest=name, help=what)


def test(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`test`: add test metrics to a finished run."""
    from experiments.cli.fit_one import show_run
    from experiments.cli.own_files import print_files
    from experiments.inference.own_test import evaluate_beside, figures_of, joins_row
    from experiments.records.lock import exclusive_lock
    from experiments.records.run_files import TABLE_FILE, collect, read_row
    from experiments.training.testing import test_run

    registry_of(options)
    own = _own_test(options)
    row = read_row(options.run)  # that there is a run is said before its folder is locked
    with exclusive_lock(options.run):
        if own is not None and not joins_row(options.run, row, own):
            place, metrics, notes = evaluate_beside(options.run, own)
            console.print(f"{own.path}: {figures_of(metrics)} on {metrics.n:,} texts")
            for note in notes:
                console.print(note)
            print_files(console, options.run, row)
            console.print(f"kept in {place}; the run's own row is as it was", soft_wrap=True)
            return 0
        test_run(options.run, None if own is None else own.path)
    benchmark = options.run.resolve().parents[1]
    if (benchmark / TABLE_FILE).exists():  # elsewhere the run folder stands alone
        collect(benchmark)
    show_run(options.run, console)
    return 0


def _own_test(options: argparse.Namespace) -> OwnTest | None:
    """Labelled texts that `test` is given; None: those of the run itself."""
    from datamodules.reading.opening import FileSettings
    from experiments.inference.own_test import OwnTest, read_label_map

    label_map = read_label_map(options.label_map)
    settings = FileSettings(options.encoding, options.delimiter)
    columns, separator = (options.text_column, options.label_column), options.label_separator
    if options.test_file is None:
        if (*columns, separator) != (None,) * 3 or settings != FileSettings() or label_map:
            raise ConfigError("settings of a file are given without --data.test FILE; name it")
        return None
    file = Path(os.path.abspath(options.test_file.expanduser()))
    return OwnTest(file, *columns, settings, separator, label_map)
