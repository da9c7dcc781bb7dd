"""The commands that take what was fitted before: report, compare, judge, publish, predict."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.config.registry import Registry


def report(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`report`: the table and the page of a benchmark or of the published results."""
    from experiments.report import report as write_report

    write_report(options.folder, options.out, console, options.root)
    if options.wandb is not None:
        summarise(options.folder, console, options.wandb_texts, send=options.wandb)
    if options.readme:
        from experiments.report.readme.write import write_readme

        for file, what in write_readme(options.readme, options.folder, Registry(options.configs)):
            console.print(f"{file}: {what}", highlight=False, soft_wrap=True)
    return 0


def robustness(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`robustness`: saved runs on contrast sets, counterfactuals, typos and other sentences."""
    from experiments.inference import robustness as sets
    from experiments.report.robustness import terminal_table

    Registry(options.configs)
    found = sets.evaluate_benchmark(
        options.benchmark, lambda what: console.print(what, highlight=False)
    )
    if not found:
        return 1
    console.print(terminal_table([judged for _, judged in found]))
    for folder, judged in found if options.publish else []:
        console.print(f"{sets.publish_result(judged, folder, options.results)}", highlight=False)
    return 0


def compare(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`compare`: each experiment of two benchmarks: by how much it differs, and what changed.

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
        console.print(f"{file}", highlight=False, soft_wrap=True)
    return 0


def cost(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`cost`: counts the operations of published models on fresh ones, and keeps the figures."""
    from experiments.records.costs import cost_file
    from experiments.records.run_files import read_table
    from experiments.training.count_flops import count_published

    def tell(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    rows = read_table(options.table)
    figures = count_published(options.table, rows, Registry(options.configs), options.root, tell)
    tell(f"{cost_file(options.table)}: {figures} figures")
    return 0


def publish(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`publish`: copies finished runs with their evidence to the published results."""
    from experiments.records.publishing import publish as copy

    Registry(options.configs)
    for row in copy(options.run, options.table, options.results):
        console.print(f"{options.table}: {row.experiment} seed {row.seed}", highlight=False)
    return 0


def predict(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`predict`: label and probability of each text, one line each, tab-separated."""
    from experiments.inference.predictor import Predictor

    Registry(options.configs)
    predictor = Predictor(options.run)
    texts = options.text or [line.rstrip("\n") for line in sys.stdin]
    for text, row in zip(texts, predictor(texts), strict=True):
        label = predictor.encoder.label_names[row.argmax()]
        print(f"{label}\t{row.max():.4f}\t{' '.join(text.split())}")
    return 0


def vectors(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`vectors`: nearest neighbours, analogies and clusters of word vectors."""
    from experiments.inference.word_table import answer_lines

    Registry(options.configs)
    for line in answer_lines(options.what, options.place, options.word):
        print(line)
    return 0


def submit(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`submit`: writes a submission to the Kaggle contest from a run on its data."""
    from experiments.inference.kaggle_submission import write_submission

    Registry(options.configs)
    file, reviews = write_submission(options.run, options.out, options.hard)
    console.print(f"{file}: {reviews:,} reviews", highlight=False, soft_wrap=True)
    return 0


def summarise(folder: Path, console: Console, texts: bool, **settings: Any) -> None:
    """Sends a benchmark's report to W&B, without reviews' texts unless the user says so."""
    import tempfile

    from experiments.report import read_tables
    from experiments.report import report as write_report
    from experiments.report.wandb_summary import summarise_benchmark

    with tempfile.TemporaryDirectory() as place, open(os.devnull, "w") as nowhere:
        files = write_report(folder, Path(place), Console(file=nowhere), texts=texts)
        kept = summarise_benchmark(folder, read_tables(folder)[0], files, **settings)
    if kept is not None:
        console.print(f"W&B summary: {kept}", soft_wrap=True, highlight=False)
