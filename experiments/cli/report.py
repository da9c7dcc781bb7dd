"""Commands over finished runs and published rows: report, compare, judge, combine, publish."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from datamodules.console import plain_console, said
from experiments.cli.options import RESULTS, path
from experiments.config.names import REPORT_FILES, check_name
from experiments.config.registry import ConfigError, Registry
from experiments.config.track import TRACKS
from experiments.launch.answers import Answer, Answers


def report(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`report`: the table and the page of a benchmark or of the published results."""
    if options.wandb_texts and options.wandb is None:
        raise ConfigError("--wandb-texts is about the report that W&B gets; add --wandb")
    home = options.folder.parent if options.folder.is_file() else options.folder
    asked = {**vars(options), "rest": rest, "command": "report"}
    answers = Answers(asked, console, [(options.out or home) / name for name in REPORT_FILES])
    alone = options.wandb is None and options.readme is None
    if alone and (answer := answers.known()) is not None:
        answer.give(console)
        return 0
    from experiments.report import report as write_report

    registry = Registry(options.configs)
    places = [home, *options.configs, *([Path(options.root)] if options.root else [])]
    before = answers.stamps(places)
    with console.capture() as table:
        write_report(options.folder, options.out, console, options.root, registry=registry)
    console.file.write(table.get())
    if alone:
        answers.keep(Answer(table.get(), said()), places, before)
    if options.wandb is not None:
        summarise(options.folder, console, options.wandb_texts, send=options.wandb)
    if options.readme:
        from experiments.report.readme.write import write_readme

        for file, what in write_readme(options.readme, options.folder, registry):
            console.print(f"{file}: {what}", soft_wrap=True)
    return 0


def compare(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`compare`: show by how much each experiment of two benchmarks differs, and what changed.

    The exit code is 1 if an experiment got significantly worse, 2 if they cannot be compared.
    """
    from experiments.records.row import ResultsError
    from experiments.statistics.comparison import compare as hold_against

    try:
        comparison = hold_against(options.first, options.second)
        if options.json:
            comparison.write(options.json)
    except (ResultsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    comparison.show(console)
    return 1 if comparison.worse else 0


def subsets(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`subsets`: accuracy without test reviews that have a copy in train, and after an audit."""
    from experiments.statistics.subsets import write_subsets

    for file in write_subsets(options.folder, options.root, options.label_audit):
        console.print(f"{file}", soft_wrap=True)
    return 0


def cost(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`cost`: count FLOPs of published rows on untrained models, and keep the figures."""
    from experiments.records.costs import cost_file
    from experiments.records.run_files import read_table
    from experiments.training.count_flops import count_published

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True)

    rows = read_table(options.table)
    figures = count_published(options.table, rows, Registry(options.configs), options.root, tell)
    tell(f"{cost_file(options.table)}: {figures} figures")
    return 0


def add_publish_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `publish`."""
    sub.add_argument("run", type=path, nargs="*", help="run folders")
    sub.add_argument("--table", help="name of the table (with --predictions: imdb)")
    sub.add_argument(
        "--predictions",
        type=path,
        metavar="FILE",
        help="instead of runs: probabilities of the official test reviews by any model (CSV with "
        "id,prob_1 or id,prob_0,prob_1); the row is marked as claimed",
    )
    sub.add_argument("--name", help="name of the claimed row")
    sub.add_argument("--paper", metavar="URL", help="address of its paper or repository")
    sub.add_argument("--seed", type=int, default=0, help="its seed, if there are several (0)")
    sub.add_argument(
        "--track",
        choices=tuple(TRACKS),
        default="open weights",
        help="what its model was learnt from, as its authors say (open weights)",
    )
    sub.add_argument("--results", type=path, default=RESULTS, help=f"where ({RESULTS}/)")


def publish(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`publish`: copy finished runs, or predictions of others, to the published results."""
    from experiments.records.claims import TABLE, publish_claim
    from experiments.records.publishing import publish as copy

    if options.predictions:
        if options.run or not (options.name and options.paper):
            raise ConfigError(
                "--predictions takes --name and --paper, and no run folders: a row is either "
                "claimed or recomputed"
            )
        table = options.table or TABLE
        place = (table, options.results, options.seed, options.track)
        rows = [publish_claim(options.predictions, options.name, options.paper, *place)]
    elif options.name or options.paper:
        raise ConfigError("--name and --paper are those of a claimed row; add --predictions FILE")
    elif options.table is None:
        raise ConfigError("no table is named; say where the rows go with --table NAME")
    else:
        Registry(options.configs)
        table, rows = options.table, copy(options.run, options.table, options.results)
    for row in rows:
        console.print(f"{table}: {row.experiment} seed {row.seed}, {row.origin}")
    return 0


def summarise(folder: Path, console: Console, texts: bool, **settings: Any) -> None:
    """Send a benchmark's report to W&B, without texts of reviews unless the user says so."""
    import tempfile

    from experiments.report import read_tables
    from experiments.report import report as write_report
    from experiments.report.wandb_summary import summarise_benchmark

    with tempfile.TemporaryDirectory() as place, open(os.devnull, "w") as nowhere:
        files = write_report(folder, Path(place), plain_console(file=nowhere), texts=texts)
        kept = summarise_benchmark(folder, read_tables(folder)[0], files, **settings)
    if kept is not None:
        console.print(f"W&B summary: {kept}", soft_wrap=True)


def ensemble(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`ensemble`: sum of the log-probabilities of runs, with weights fitted on validation."""
    from experiments.inference.ensembles import combine_members, write_ensemble
    from experiments.inference.members import find_member, seed_of
    from experiments.records.lock import exclusive_lock
    from experiments.report.tables import build_tables
    from experiments.report.terminal import print_tables

    Registry(options.configs)
    check_name(options.ensemble, "ensemble")
    check_name(options.name, "--name")
    rows = []
    for seed in options.seeds or [None]:
        members = [find_member(text, seed) for text in options.member]
        number = seed_of(members) if seed is None else seed
        folder = options.runs / options.name / options.ensemble / f"seed-{number}"
        combination = combine_members(members, test=not options.no_test)
        with exclusive_lock(folder):
            rows.append(write_ensemble(combination, folder, number))
        console.print(f"{folder}: {rows[-1].notes[-1]}", soft_wrap=True)
    print_tables(console, build_tables(rows))
    return 0
