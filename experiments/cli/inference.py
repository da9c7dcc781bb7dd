"""Commands that put a finished run to use: predict, judge, submit, look into its words."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from experiments.cli.streams import lines_of_input
from experiments.config.registry import Registry


def predict(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`predict`: label and probability of each text, one line each, tab-separated."""
    from experiments.inference.predictor import Predictor
    from experiments.records.metrics import predicted_classes

    Registry(options.configs)
    predictor = Predictor(options.run, weights=options.weights)
    for text in options.text:
        if _is_file(text):
            print(
                f"note: {text!r} is classified as a text, and is the name of a file; its lines are "
                f"classified by: lit-sentiment predict {options.run} < {text}",
                file=sys.stderr,
            )
    texts = options.text or list(lines_of_input())
    probabilities = predictor(texts)
    predicted = predicted_classes(probabilities, predictor.threshold)
    for text, row, label in zip(texts, probabilities, predicted, strict=True):
        name = predictor.encoder.label_names[label]
        print(f"{name}\t{row[label]:.4f}\t{' '.join(text.split())}")
    return 0


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def robustness(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`robustness`: evaluate runs on contrast sets, counterfactuals, typos, other sentences."""
    from experiments.inference import robustness as sets
    from experiments.report.robustness import terminal_table

    Registry(options.configs)
    results = sets.evaluate_benchmark(options.benchmark, lambda what: console.print(what))
    if not results:
        return 1
    console.print(terminal_table([result for _, result in results]))
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
