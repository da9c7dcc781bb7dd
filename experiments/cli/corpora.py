"""Commands that look into a corpus: similar texts, and what may be wrong with it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.cli.options import LISTED, RESULTS, add_device, path
from experiments.config.registry import ConfigError, Registry, layered, read_profile
from experiments.inference.corpus_names import WANTED, corpus_of_run, corpus_words, runs_of

if TYPE_CHECKING:  # these load torch
    from datamodules.text import TextDataModule
    from experiments.config.resolved import Resolved
    from lit_models.base.classifier import LitClassifier

_LEAST_WIDTH = 20


def audit(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`audit`: labels that are likely wrong, copies, odd texts and weak groups of a corpus."""
    from experiments.audit.audit import audit as find
    from experiments.audit.judges import Judged, judges_of_runs
    from experiments.audit.out_of_fold import out_of_fold
    from experiments.audit.output import check_out, report_lines, write_report
    from experiments.audit.parts import read_rows
    from experiments.statistics.subsets import read_audit

    if options.out is not None:
        check_out(options.out, options.force)
    elif options.force:
        raise ConfigError("--force replaces an --out FILE; name it")
    for name, least in (("folds", 2), ("show", 0)):
        if (value := getattr(options, name)) < least:
            raise ConfigError(f"--{name} is {value}; it must be at least {least}")
    _check_settings(rest, "data", "model")
    if kind := runs_of(options.corpus):
        judging = "; a run judges its labels after --run" if kind == "a run" else ""
        raise ConfigError(
            f"{options.corpus}: is {kind}, and an audit reads a corpus; name {WANTED}{judging}"
        )

    def tell(step: str) -> None:
        print(f"{step} …", file=sys.stderr, flush=True)

    tell("the corpus")
    model, data = _corpus(options, rest)
    rows = read_rows(data)
    votes, test = None, rows.of("test")
    if options.label_audit is not None:
        if not len(test):
            raise ConfigError(f"--label-audit {options.label_audit}: the corpus has no test rows")
        keys = [rows.keys[row] for row in test.tolist()]
        votes = read_audit(options.label_audit, keys, rows.labels[test])
    judged = judges_of_runs([*options.run, *_published(options, data)], data, rows)
    if "train" not in judged:
        probabilities = out_of_fold(model, data, rows, options.folds, tell=tell)
        by = f"{options.model} in {options.folds} folds"
        labels = rows.labels[rows.of("train")]
        judged = {"train": Judged("train", by, labels, probabilities), **judged}
    report = find(data, rows, judged, votes, tell)
    for line in report_lines(report, options.show, max(console.width, _LEAST_WIDTH)):
        console.print(line, soft_wrap=True)
    if len(test) and "test" not in judged:
        print(
            "note: the labels of test are not judged; name a run that has learnt from train alone "
            "with --run",
            file=sys.stderr,
        )
    if options.out is not None:
        write_report(report, options.out)
        print(f"note: {options.out}: {len(report.findings):,} findings", file=sys.stderr)
    return 0


def add_audit_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `audit`."""
    _add_corpus(sub)
    sub.epilog = (
        "Settings of the corpus and the model can follow, such as --data.group_column author "
        f"--model.min_df 1. {LISTED}"
    )
    sub.add_argument(
        "--model",
        default="tfidf_logreg",
        metavar="NAME",
        help="experiment that judges the labels of train, in folds (tfidf_logreg)",
    )
    sub.add_argument("--folds", type=int, default=5, help="number of folds (5)")
    sub.add_argument(
        "--run",
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="runs whose stored predictions judge: of train with --run.folds, else of test; run "
        "folders, or published rows as TABLE.jsonl:EXPERIMENT[:SEED]",
    )
    sub.add_argument(
        "--label-audit",
        type=path,
        metavar="FILE",
        help="votes on test labels of IMDB: imdb_mturk.json of repository cleanlab/label-errors",
    )
    sub.add_argument("--show", type=int, default=5, metavar="N", help="examples of a kind (5)")
    sub.add_argument(
        "--out", type=path, metavar="FILE", help="all findings (.csv), or the figures too (.json)"
    )
    sub.add_argument("--force", action="store_true", help="replace an existing --out")


def _add_corpus(sub: argparse.ArgumentParser, what: str = "a corpus") -> None:
    sub.set_defaults(overridable=True)
    sub.add_argument(
        "corpus",
        metavar="CORPUS",
        help=f"{what}: imdb, the official folder or archive, a file of labelled texts, or a class",
    )
    sub.add_argument("--root", help="with imdb: its folder, or its archive")


def _corpus(options: argparse.Namespace, rest: list[str]) -> tuple[LitClassifier, TextDataModule]:
    """The named corpus, prepared as the model reads it, with the validation rows in train."""
    from lit_models.base.classifier import LitClassifier

    model, data = _resolved(options, rest).build()
    if not isinstance(model, LitClassifier):
        raise ConfigError(
            f"{type(model).__name__} is fitted for {model.problem}; give --model a classifier"
        )
    data.refit = True
    _read_all(data)
    data.prepare_data()
    data.setup()
    return model, data


def _read_all(data: TextDataModule) -> TextDataModule:
    """Let own files be read where no model could be fitted to them."""
    from datamodules.files import TextFiles

    if isinstance(data, TextFiles):
        data.reads_all = True
    return data


def _check_settings(rest: list[str], *used: str) -> None:
    """Refuse settings that would change nothing."""
    for word in rest:
        part = word.partition("=")[0].partition(".")[0]
        if part.startswith("--") and part[2:] not in used:
            names = " and ".join(f"--{one}.NAME" for one in used)
            raise ConfigError(f"{word}: would change nothing here; settings can be {names}")


def _resolved(options: argparse.Namespace, rest: list[str]) -> Resolved:
    from experiments.config.resolved import Resolved

    if twice := [word for word in rest if word.partition("=")[0] == "--data"]:
        raise ConfigError(f"{options.corpus} and {twice[0]} both name a corpus; leave one out")
    settings = layered(Registry(options.configs), options.model, read_profile("full"))
    return Resolved(settings, [*corpus_words(options.corpus, options.root), *rest])


def _published(options: argparse.Namespace, data: TextDataModule) -> list[str]:
    """Published row of the model on this corpus, where no run is named."""
    from experiments.records.run_files import read_table, tables_in

    if options.run or not data.official_test:
        return []
    return [
        f"{table}:{row.experiment}:{row.seed}"
        for table in tables_in(RESULTS)
        for row in read_table(table)
        if row.experiment == options.model
        and row.tested
        and row.corpus_fingerprint == data.fingerprint
    ][:1]


def search(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`search`: the texts of a corpus that are most similar to a new one, with their labels."""
    from datamodules.console import clipped, visible
    from experiments.inference.loaded_run import load_run, reason_of
    from experiments.inference.similar import read_corpus, similar_by_run, similar_by_words
    from experiments.records.run_files import ROW_FILE

    if options.k < 1:
        raise ConfigError(f"-k is {options.k}; it must be at least 1")
    if reason := reason_of(options.text):
        raise ConfigError(f"{reason}: nothing can be similar to it; give a text with words")
    _check_settings(rest, "data")
    if (Path(options.corpus) / ROW_FILE).is_file():
        run = load_run(options.corpus, device=options.device)
        data = _corpus_of_search(options, rest)
        read_corpus(data)
        texts = similar_by_run(run, data, options.split)
    elif options.data is not None:
        raise ConfigError(
            f"--data {options.data} is searched with the model of a run, and {options.corpus} is "
            "no run folder; name one, or leave --data out"
        )
    elif kind := runs_of(options.corpus):
        raise ConfigError(f"{options.corpus}: is {kind}; name one of them, or a corpus")
    else:
        texts = similar_by_words(_corpus(options, rest)[1], options.split)
    for found in texts.nearest(options.text, options.k):
        label = "" if found.label is None else visible(found.label)
        place = f"{found.similarity:.3f}\t{label}\t{visible(found.key)}"
        if sys.stdout.isatty():
            width = max(console.width, _LEAST_WIDTH)
            console.print(clipped("  ".join(place.split("\t")), width), soft_wrap=True)
            console.print(clipped(f"       {visible(found.text)}", width), soft_wrap=True)
        else:
            print(f"{place}\t{visible(found.text)}")
    return 0


def add_search_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `search`."""
    _add_corpus(sub, "a run folder, or a corpus")
    sub.epilog = f"Settings of the corpus can follow, such as --data.text_column body. {LISTED}"
    sub.add_argument("text", metavar="TEXT", help="the text that others are compared with")
    sub.add_argument("-k", type=int, default=5, help="number of texts to show (5)")
    sub.add_argument(
        "--split",
        choices=("train", "test", "unlabelled"),
        default="train",
        help="which texts are searched (train, validation included)",
    )
    sub.add_argument("--data", metavar="FILE", help="with a run: another corpus than its own")
    add_device(sub)
    sub.set_defaults(model="tfidf_logreg")


def _corpus_of_search(options: argparse.Namespace, rest: list[str]) -> TextDataModule:
    """Corpus of a run, or the one that is named."""
    Registry(options.configs)
    if options.data is not None:
        named = argparse.Namespace(**vars(options) | {"corpus": options.data})
        return _read_all(_resolved(named, rest).build()[1])
    return corpus_of_run(Path(options.corpus), options.root, rest)
