"""All commands and their options."""

from __future__ import annotations

import argparse

from experiments.cli import (
    benchmark,
    corpora,
    explain,
    fit,
    inference,
    playground,
    predict,
    prepare,
    report,
    speed,
    sweep,
    table,
)
from experiments.cli.options import (
    RESULTS,
    RUNS,
    SETTINGS,
    Commands,
    add_configs,
    add_corpus,
    add_seeds,
    add_settings,
    add_weights,
    description,
    path,
    version,
)


def parser() -> tuple[argparse.ArgumentParser, Commands]:
    """All commands and their options: the parser of the first word, and that of each command."""
    parser = argparse.ArgumentParser(
        prog="lit-sentiment",
        description="Every classic text classifier, from TF-IDF to BERT, on one IMDB protocol.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    subparsers = parser.add_subparsers(metavar="command")
    commands = Commands()

    def command(name: str, function, summary: str, **more):  # type: ignore[no-untyped-def]
        sub = subparsers.add_parser(
            name,
            help=summary,
            description=description(function, summary),
            allow_abbrev=False,
            **more,
        )
        sub.set_defaults(command=function, overridable=False)
        add_configs(sub)
        commands[name] = sub
        return sub

    sub = command("fit", fit.fit, "one experiment", epilog=SETTINGS)
    sub.add_argument("-c", "--config", required=True, help="an experiment's name, or a YAML file")
    add_settings(sub, "full")
    sub.add_argument(
        "--name", default="fit", help="folder under --runs (fit); $NAME is that variable's value"
    )
    sub.add_argument("--seed", type=int, default=0, help="random seed (0)")
    sub.add_argument("--test", action="store_true", help="evaluate on the test rows too")
    sub.add_argument("--rerun", action="store_true", help="fit again what is done")
    sub.add_argument(
        "--sweep-corpus", metavar="FINGERPRINT", help="refuse a corpus other than the sweep's"
    )

    fit.add_test_options(command("test", fit.test, "test columns for a finished run"))

    sub = command(
        "benchmark", benchmark.run_benchmark, "all experiments, one table", epilog=SETTINGS
    )
    sub.add_argument(
        "experiments",
        nargs="*",
        metavar="NAME",
        help="experiments, as `lit-sentiment list` shows them, or YAML files (the profile's)",
    )
    add_settings(sub, "quick")
    add_seeds(sub, "random seeds (the profile's)")
    sub.add_argument("--name", help="folder under --runs (the profile's name)")
    sub.add_argument(
        "--train-sizes",
        type=int,
        nargs="+",
        action="extend",
        metavar="N",
        help="learning curves: each experiment learns from N reviews, as experiment NAME-N",
    )
    sub.add_argument("--budget", help="stop cleanly within this time, such as 9m")
    sub.add_argument("--retry", action="store_true", help="run failed runs again")
    launchers = ("local", "slurm")
    sub.add_argument("--launcher", choices=launchers, default="local", help="where runs go (local)")
    sub.add_argument("--cluster", type=path, help="with slurm: what each job has (YAML)")
    sub.add_argument("--jobs", type=int, default=1, help="runs at once on this machine (1)")

    sub = command("ensemble", report.ensemble, "finished runs combined to one row")
    sub.add_argument("ensemble", metavar="NAME", help="its name, such as nb_bag+cnn")
    sub.add_argument(
        "member",
        nargs="+",
        metavar="RUN",
        help="run folders, folders of an experiment's runs (with --seeds), or published rows as "
        "TABLE.jsonl:EXPERIMENT[:SEED]",
    )
    add_seeds(sub, "an ensemble of each of these seeds")
    sub.add_argument("--name", default="ensemble", help="folder under --runs (ensemble)")
    sub.add_argument("--runs", type=path, default=RUNS, help=f"where it goes ({RUNS}/)")
    sub.add_argument(
        "--no-test", action="store_true", help="validation alone, which is no look at test"
    )

    sub = command("table", table.run_table, "queue of the published table", epilog=SETTINGS)
    sub.add_argument("place", type=path, help="folder of the queue's runs and cache")
    sub.add_argument("experiments", nargs="*", metavar="NAME", help="experiments (all)")
    add_corpus(sub, "full")
    sub.add_argument("--budget", help="stop cleanly within this time, such as 9m")

    sub = command("sweep", sweep.sweep, "settings tried on validation", epilog=SETTINGS)
    sub.add_argument("experiment", help="its name")
    add_settings(sub, "full")
    sub.add_argument("--space", type=path, help="what varies (configs/sweeps/<experiment>.yaml)")
    sub.add_argument("--trials", type=int, default=50, help="in all, over all starts (50)")
    pruners = ("asha", "median", "none")
    sub.add_argument("--pruner", choices=pruners, default="asha", help="ends trials early (asha)")
    sub.add_argument("--jobs", type=int, default=1, help="trials at once on this machine (1)")
    sub.add_argument("--seed", type=int, default=0, help="of every trial, and of proposals (0)")
    sub.add_argument("--name", help="folder under --runs (sweep-<experiment>)")
    sub.add_argument("--wandb-sweep", type=path, help="write a W&B sweep here, and try nothing")

    sub = command("prepare", prepare.prepare, "fetch and tokenise the corpus", epilog=SETTINGS)
    sub.add_argument("experiments", nargs="*", metavar="NAME", help="experiments (all)")
    add_settings(sub, "full")
    sub.set_defaults(name=None)
    sub.add_argument(
        "--weights",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="fetch these experiments' weights too",
    )

    sub = command("report", report.report, "table, report.md, report.html")
    sub.add_argument("folder", type=path, help="a benchmark folder, or experiments/results")
    sub.add_argument("--out", type=path, help="where to write the files (the folder itself)")
    sub.add_argument("--root", help="the official corpus, for the texts of reviews (the cache)")
    sub.add_argument(
        "--readme",
        type=path,
        help="also write published tables and pictures between the marks of this file, and of "
        "docs/*.md beside it: <!-- results:NAME --> and <!-- /results:NAME --> for the table NAME, "
        "results:NAME:top for its most telling rows, picture:NAME, robustness",
    )

    sub.add_argument(
        "--wandb",
        nargs="*",
        action="extend",
        choices=("predictions", "checkpoints"),
        help="also keep table, figures and report as a W&B run, with these files if named",
    )
    sub.add_argument(
        "--wandb-texts", action="store_true", help="let the report that W&B gets show reviews"
    )

    sub = command("cost", report.cost, "count FLOPs of published rows, nothing trained")
    sub.add_argument(
        "table", type=path, help="a published table, such as experiments/results/imdb.jsonl"
    )
    sub.add_argument("--root", help="the official corpus: its folder, or its archive")

    sub = command("compare", report.compare, "what changed between two benchmarks")
    sub.add_argument("first", type=path, metavar="A", help="benchmark, run or published table")
    sub.add_argument("second", type=path, metavar="B", help="the one to hold against A")
    sub.add_argument("--json", type=path, metavar="FILE", help="also write all figures there")

    sub = command("subsets", report.subsets, "accuracy without copies, with audited labels")
    sub.add_argument("folder", type=path, help="a benchmark folder, or experiments/results")
    sub.add_argument("--root", help="the official corpus: its folder, or its archive")
    sub.add_argument(
        "--label-audit",
        type=path,
        metavar="FILE",
        help="imdb_mturk.json of repository cleanlab/label-errors, folder mturk",
    )

    report.add_publish_options(
        command("publish", report.publish, "keep finished runs with their evidence")
    )

    sub = command("table-publish", table.publish_table, "what the queue's clones have finished")
    sub.add_argument("place", type=path, nargs="+", help="folders of `make table`")
    sub.add_argument("--results", type=path, default=RESULTS, help=f"where ({RESULTS}/)")

    sub = command("table-times", table.time_table, "times of rows, alone", epilog=SETTINGS)
    sub.add_argument("experiments", nargs="*", metavar="NAME", help="experiments (all unmeasured)")
    add_corpus(sub, "full")
    sub.add_argument("--seconds", type=float, default=120.0, help="most steps' time a fit (120)")
    sub.add_argument("--threads", type=int, default=1, help="of each fit (1)")
    sub.add_argument("--results", type=path, default=RESULTS, help=f"where ({RESULTS}/)")

    sub = command("robustness", inference.robustness, "contrast sets, typos, other sentences")
    sub.add_argument("benchmark", type=path, help="a benchmark folder, or a run's")
    sub.add_argument("--publish", action="store_true", help="keep what was found under --results")
    sub.add_argument("--results", type=path, default=RESULTS, help=f"where ({RESULTS}/)")

    predict.add_options(command("predict", predict.predict, "labels for new texts"))

    explain.add_options(command("explain", explain.explain, "what each word contributes"))

    sub = command("generate", inference.generate, "texts of a language model")
    inference.add_generate_options(sub)

    sub = command("transcribe", inference.transcribe, "strings for texts: phones of words")
    inference.add_transcribe_options(sub)

    sub = command("tag", inference.tag, "tags of words: marks and capitals put back")
    inference.add_tag_options(sub)

    sub = command("teach", inference.teach, "soft labels of the unlabelled texts")
    inference.add_teach_options(sub)

    corpora.add_search_options(command("search", corpora.search, "similar reviews"))
    corpora.add_audit_options(command("audit", corpora.audit, "what may be wrong with a corpus"))

    playground.add_options(command("playground", playground.playground, "runs in a browser"))

    sub = command("export", inference.export, "ONNX, torch.export or Hugging Face files")
    sub.add_argument("run", type=path, help="a run folder")
    sub.add_argument("--to", choices=("onnx", "pt2", "huggingface"), required=True, help="format")
    sub.add_argument("--quantize", choices=("int8",), help="with onnx: weights in 8 bits")
    sub.add_argument("--out", type=path, help="the folder to write (export/FORMAT in the run)")
    sub.add_argument("--force", action="store_true", help="replace an earlier export there")
    add_weights(sub)

    sub = command("vectors", inference.vectors, "neighbours and analogies of words")
    sub.add_argument(
        "what", choices=("neighbours", "analogy", "clusters"), help="what is asked about the words"
    )
    sub.add_argument("place", type=path, help="a run folder, or a folder of kept vectors")
    sub.add_argument("word", nargs="*", help="words; for an analogy three, as in: man king woman")

    sub = command("submit", inference.submit, "a submission to the Kaggle contest")
    sub.add_argument("run", type=path, help="the folder of a run on Kaggle's data")
    sub.add_argument("--out", type=path, help="the file to write (submission.csv in the run)")
    sub.add_argument("--hard", action="store_true", help="0 or 1, not the probability")

    sub = command(
        "pretrain", prepare.pretrain, "masked words of the corpus, before `fit`", epilog=SETTINGS
    )
    sub.add_argument("-c", "--config", required=True, help="an encoder's experiment")
    add_settings(sub, "full")
    sub.add_argument("--out", type=path, required=True, help="the folder that `fit` starts from")
    sub.add_argument("--steps", type=int, default=7000, help="of the optimiser (7000)")
    sub.add_argument("--batch-size", type=int, default=32, help="texts per step (32)")
    sub.add_argument("--window", type=int, default=128, help="tokens seen of a text (128)")
    sub.add_argument("--learning-rate", type=float, default=1e-4, help="at its peak (1e-4)")
    sub.add_argument(
        "--pairs",
        choices=("next-sentence", "sentence-order"),
        help="beside masked words: as BERT, or as ALBERT (none, as RoBERTa)",
    )
    sub.add_argument("--seed", type=int, default=0, help="random seed (0)")

    speed.add_options(
        command("speed", speed.speed, "rates, alone or against other libraries", epilog=SETTINGS)
    )

    command("list", prepare.show_list, "the experiments there are")
    return parser, commands
