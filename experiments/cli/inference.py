"""Commands that put a finished run to use: judge, submit, look into its words."""

from __future__ import annotations

import argparse

from rich.console import Console

from experiments.config.registry import Registry


def robustness(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`robustness`: evaluate runs on contrast sets, counterfactuals, typos, other sentences."""
    from experiments.inference import robustness as sets
    from experiments.report.robustness import print_table

    Registry(options.configs)
    results = sets.evaluate_benchmark(options.benchmark, lambda what: console.print(what))
    if not results:
        return 1
    print_table(console, [result for _, result in results])
    for folder, result in results if options.publish else []:
        console.print(f"{sets.publish_result(result, folder, options.results)}")
    return 0


def vectors(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`vectors`: nearest neighbours, analogies and clusters of word vectors."""
    from experiments.inference.word_table import answer_lines

    Registry(options.configs)
    for line in answer_lines(options.what, options.place, options.word):
        print(line)
    return 0


def submit(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`submit`: write a submission to the Kaggle contest from a run on its data."""
    from experiments.inference.kaggle_submission import write_submission

    Registry(options.configs)
    file, reviews = write_submission(options.run, options.out, options.hard)
    console.print(f"{file}: {reviews:,} reviews", soft_wrap=True)
    return 0


def export(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`export`: a finished run as ONNX, `torch.export` program or Hugging Face folder."""
    from experiments.export.export import export_run

    Registry(options.configs)
    out, check = export_run(
        options.run,
        options.to,
        quantize=options.quantize,
        out=options.out,
        force=options.force,
        weights=options.weights,
        log=lambda step: console.print(step, markup=False, soft_wrap=True),
    )
    console.print(f"{check}", markup=False, soft_wrap=True)
    console.print(f"{out}", markup=False, soft_wrap=True)
    return 0
