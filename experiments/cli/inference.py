"""Commands that put a finished run to use: judge, generate, submit, look into its words."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from rich.console import Console

from experiments.cli.options import add_device, add_weights, path
from experiments.config.registry import Registry

_WRONG_USAGE = 2


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


def transcribe(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`transcribe`: strings that a transcription run writes, such as the phones of words."""
    from experiments.cli.streams import lines_of_input
    from experiments.language.alignment import draw_alignments
    from experiments.language.transcribing import Transcriber
    from experiments.records.atomic import replace_bytes

    Registry(options.configs)
    transcriber = Transcriber(options.run, options.device)
    texts = options.text or list(lines_of_input())
    width = options.best if options.beam is None else options.beam
    if options.alignments is not None:
        transcriber.looking()
    drawn = []
    for one in transcriber(texts, width, options.best):
        print(f"{one.text}\t{' '.join(one.symbols)}\t{one.log_probability:.3f}")
        if options.alignments is not None:
            drawn.append(transcriber.align(one))
    if options.alignments is not None and drawn:
        replace_bytes(options.alignments, draw_alignments(drawn).encode())
    return 0


def add_transcribe_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `transcribe`."""
    sub.add_argument("run", type=path, help="a run folder of a transcription model")
    sub.add_argument("text", nargs="*", help="texts; none: one per line of standard input")
    sub.add_argument("--beam", type=int, help="width of the beam (as many as --best)")
    sub.add_argument("--best", type=int, default=1, help="strings for each text (1)")
    sub.add_argument(
        "--alignments", type=path, metavar="SVG", help="draw where seq2seq_attention looks"
    )
    add_device(sub)


def tag(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`tag`: marks and capitals put back, or tags of words, by a run of a tagger."""
    from experiments.cli.streams import lines_of_file, lines_of_input
    from experiments.language.tagging import Tagger

    Registry(options.configs)
    tagger = Tagger(options.run, options.device)
    if options.transitions:
        for line in tagger.transitions():
            print(line)
        return 0
    texts = lines_of_file(options.file) if options.file else options.text or lines_of_input()
    for text in tagger(texts):
        for line in tagger.lines(text):
            print(line)
    return 0


def add_tag_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `tag`."""
    sub.add_argument("run", type=path, help="a run folder of a tagger")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("text", nargs="*", default=[], help="texts; none: lines of standard input")
    what.add_argument("--file", type=path, help="a file with a text on each line")
    what.add_argument(
        "--transitions", action="store_true", help="show which tag follows which in a bilstm_crf"
    )
    add_device(sub)


def teach(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`teach`: soft labels of the unlabelled texts, by a run or by several as an ensemble."""
    from contextlib import ExitStack

    from experiments.inference.progress import progress
    from experiments.unlabelled.teaching import teach

    Registry(options.configs)
    with ExitStack() as stack:
        shown = []
        soft = teach(
            options.run,
            options.out,
            root=options.root,
            device=options.device,
            started=lambda texts: shown.append(stack.enter_context(progress(texts, 0))),
            advance=lambda texts: shown[0].advance(texts),
        )
    console.print(
        f"{options.out}: {len(soft.ids):,} texts, taught by {soft.teacher}", soft_wrap=True
    )
    return 0


def add_teach_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `teach`."""
    sub.add_argument("run", type=path, nargs="+", help="run folders; several teach as an ensemble")
    sub.add_argument("--out", type=path, required=True, help="the file to write, *.parquet")
    sub.add_argument("--root", help="the official corpus: its folder, or its archive")
    add_device(sub)


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


def add_generate_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `generate`."""
    sub.add_argument("run", type=path, help="a run folder of a language model")
    sub.add_argument("--prompt", default="", help="how the texts begin (with anything)")
    sub.add_argument("--label", help="class of the texts, for a run of class_lm")
    sub.add_argument("--count", type=int, default=1, help="number of texts (1)")
    sub.add_argument("--longest", type=int, default=100, help="most tokens after the prompt (100)")
    sub.add_argument("--unknown", action="store_true", help="let <unk> be generated, too")
    sub.add_argument(
        "--temperature", type=float, help="below 1 probable words gain, above 1 they lose (1)"
    )
    sub.add_argument("--top-k", type=int, metavar="K", help="draw from the K most probable words")
    sub.add_argument(
        "--top-p", type=float, metavar="P", help="draw from the fewest words of probability P"
    )
    sub.add_argument("--seed", type=int, help="random seed (0)")
    sub.add_argument(
        "--beam", type=int, metavar="N", help="search for probable texts, N at a time; 1 is greedy"
    )
    sub.add_argument(
        "--length-norm",
        type=float,
        metavar="ALPHA",
        help="with --beam: above 0 favours longer texts (0)",
    )
    sub.add_argument("--format", choices=("text", "json"), default="text", help="(text)")
    add_device(sub)
    add_weights(sub)


def generate(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`generate`: let a language model write texts, drawn at random or the most probable.

    One a line; one that did not come to its end ends in `…`.
    """
    from datamodules.console import visible
    from experiments.language.generation import Generator, Settings, UsageError

    Registry(options.configs)
    names = [field.name for field in dataclasses.fields(Settings)]
    try:
        settings = Settings(**{name: getattr(options, name) for name in names})
        generator = Generator(options.run, options.device, options.weights)
        if unknown := generator.unknown_words(settings.prompt):
            words = ", ".join(map(repr, unknown))
            print(f"note: the model reads {words} as <unk>, which it learnt", file=sys.stderr)
        found = generator(settings)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return _WRONG_USAGE
    if options.format == "json":
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
        return 0
    for one in found:
        print(visible(one.text) + ("" if one.ended else " …"))
    return 0
