"""All commands and their options."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.cli import (
    benchmark,
    ensemble,
    fit,
    inference,
    listing,
    prepare,
    report,
    sweep,
    table,
)
from experiments.config.track import TRACKS

RUNS, RESULTS = Path("runs"), Path(__file__).parents[1] / "results"


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="lit-sentiment",
        description="Every classic text classifier, from TF-IDF to BERT, on one IMDB protocol.",
        allow_abbrev=False,
    )
    parser.set_defaults(overridable=False)
    subparsers = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, function, summary: str, **more):  # type: ignore[no-untyped-def]
        sub = subparsers.add_parser(
            name,
            help=summary,
            description=function.__doc__.partition(": ")[2].capitalize(),
            allow_abbrev=False,
            **more,
        )
        sub.set_defaults(command=function)
        sub.add_argument(
            "--configs",
            action="append",
            type=Path,
            default=[],
            metavar="DIR",
            help="a further folder of experiments (YAML, and Python beside it)",
        )
        return sub

    epilog = (
        "Any setting can follow, such as --model.dropout 0.3 --data.batch_size 64 "
        "--trainer.max_epochs 5 --run.patience 2. `lit-sentiment fit -c cnn --print_config` "
        "lists all settings of an experiment; its file and its class say what they mean."
    )

    def corpus(sub: argparse.ArgumentParser, profile: str) -> None:
        sub.set_defaults(overridable=True)
        sub.add_argument("--profile", default=profile, help=f"corpus and sizes ({profile})")
        sub.add_argument("--root", help="the official corpus: its folder, or its archive")

    def settings(sub: argparse.ArgumentParser, profile: str) -> None:
        corpus(sub, profile)
        sub.add_argument("--runs", type=Path, default=RUNS, help=f"where runs go ({RUNS}/)")

    def weights(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--weights",
            choices=("holdout", "refit"),
            help="of a run under protocol refit: the first fit's or the second's (the second's)",
        )

    sub = command("fit", fit.fit, "one experiment", epilog=epilog)
    sub.add_argument("-c", "--config", required=True, help="an experiment's name, or a YAML file")
    settings(sub, "full")
    sub.add_argument(
        "--name", default="fit", help="folder under --runs (fit); $NAME is that variable's value"
    )
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--test", action="store_true", help="evaluate on the test rows too")
    sub.add_argument("--rerun", action="store_true", help="fit again what is done")
    sub.add_argument(
        "--sweep-corpus", metavar="FINGERPRINT", help="refuse a corpus other than the sweep's"
    )

    sub = command("test", fit.test, "test columns for a finished run")
    sub.add_argument("run", type=Path, help="a run folder")

    sub = command("benchmark", benchmark.run_benchmark, "all experiments, one table", epilog=epilog)
    sub.add_argument("experiments", nargs="*", metavar="NAME", help="experiments (the profile's)")
    settings(sub, "quick")
    sub.add_argument("--seeds", type=int, nargs="+", help="seeds (the profile's)")
    sub.add_argument("--name", help="folder under --runs (the profile's name)")
    sub.add_argument(
        "--train-sizes",
        type=int,
        nargs="+",
        metavar="N",
        help="learning curves: each experiment learns from N reviews, as experiment NAME-N",
    )
    sub.add_argument("--budget", help="stop cleanly within this time, such as 9m")
    sub.add_argument("--retry", action="store_true", help="run failed runs again")
    launchers = ("local", "slurm")
    sub.add_argument("--launcher", choices=launchers, default="local", help="where runs go (local)")
    sub.add_argument("--cluster", type=Path, help="with slurm: what each job has (YAML)")
    sub.add_argument("--jobs", type=int, default=1, help="runs at once on this machine (1)")

    sub = command("ensemble", ensemble.ensemble, "finished runs combined to one row")
    sub.add_argument("ensemble", metavar="NAME", help="its name, such as nb_bag+cnn")
    sub.add_argument(
        "member",
        nargs="+",
        metavar="RUN",
        help="run folders, folders of an experiment's runs (with --seeds), or published rows as "
        "TABLE.jsonl:EXPERIMENT[:SEED]",
    )
    sub.add_argument("--seeds", type=int, nargs="+", help="an ensemble of each of these seeds")
    sub.add_argument("--name", default="ensemble", help="folder under --runs (ensemble)")
    sub.add_argument("--runs", type=Path, default=RUNS, help=f"where it goes ({RUNS}/)")
    sub.add_argument(
        "--no-test", action="store_true", help="validation alone, which is no look at test"
    )

    sub = command("table", table.run_table, "queue of the published table", epilog=epilog)
    sub.add_argument("place", type=Path, help="folder of the queue's runs and cache")
    sub.add_argument("experiments", nargs="*", metavar="NAME", help="experiments (all)")
    corpus(sub, "full")
    sub.add_argument("--budget", help="stop cleanly within this time, such as 9m")

    sub = command("sweep", sweep.sweep, "settings tried on validation", epilog=epilog)
    sub.add_argument("experiment", help="its name")
    settings(sub, "full")
    sub.add_argument("--space", type=Path, help="what varies (configs/sweeps/<experiment>.yaml)")
    sub.add_argument("--trials", type=int, default=50, help="in all, over all starts (50)")
    pruners = ("asha", "median", "none")
    sub.add_argument("--pruner", choices=pruners, default="asha", help="ends trials early (asha)")
    sub.add_argument("--jobs", type=int, default=1, help="trials at once on this machine (1)")
    sub.add_argument("--seed", type=int, default=0, help="of every trial, and of proposals (0)")
    sub.add_argument("--name", help="folder under --runs (sweep-<experiment>)")
    sub.add_argument("--wandb-sweep", type=Path, help="write a W&B sweep here, and try nothing")

    sub = command("prepare", prepare.prepare, "fetch and tokenise the corpus", epilog=epilog)
    sub.add_argument("experiments", nargs="*", metavar="NAME")
    settings(sub, "full")
    sub.set_defaults(name=None)
    sub.add_argument(
        "--weights", nargs="+", metavar="NAME", help="fetch these experiments' weights too"
    )

    sub = command("report", report.report, "table, report.md, report.html")
    sub.add_argument("folder", type=Path, help="a benchmark folder, or experiments/results")
    sub.add_argument("--out", type=Path, help="where to write the files (the folder itself)")
    sub.add_argument("--root", help="the official corpus, for the texts of reviews (the cache)")
    sub.add_argument(
        "--readme",
        type=Path,
        help="also write published tables and pictures between the marks of this file, and of "
        "docs/*.md beside it: <!-- results:NAME --> and <!-- /results:NAME --> for the table NAME, "
        "results:NAME:top for its most telling rows, picture:NAME, robustness",
    )

    sub.add_argument(
        "--wandb",
        nargs="*",
        choices=("predictions", "checkpoints"),
        help="also keep table, figures and report as a W&B run, with these files if named",
    )
    sub.add_argument(
        "--wandb-texts", action="store_true", help="let the report that W&B gets show reviews"
    )

    sub = command("cost", report.cost, "count FLOPs of published rows, nothing trained")
    sub.add_argument(
        "table", type=Path, help="a published table, such as experiments/results/imdb.jsonl"
    )
    sub.add_argument("--root", help="the official corpus: its folder, or its archive")

    sub = command("compare", report.compare, "what changed between two benchmarks")
    sub.add_argument("first", type=Path, metavar="A", help="benchmark, run or published table")
    sub.add_argument("second", type=Path, metavar="B", help="the one to hold against A")
    sub.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")

    sub = command("subsets", report.subsets, "accuracy without copies, with audited labels")
    sub.add_argument("folder", type=Path, help="a benchmark folder, or experiments/results")
    sub.add_argument("--root", help="the official corpus: its folder, or its archive")
    sub.add_argument(
        "--label-audit",
        type=Path,
        metavar="FILE",
        help="imdb_mturk.json of repository cleanlab/label-errors, folder mturk",
    )

    sub = command("publish", report.publish, "keep finished runs with their evidence")
    sub.add_argument("run", type=Path, nargs="*", help="run folders")
    sub.add_argument("--table", help="name of the table (with --predictions: imdb)")
    sub.add_argument(
        "--predictions",
        type=Path,
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
    sub.add_argument("--results", type=Path, default=RESULTS, help=f"where ({RESULTS}/)")

    sub = command("table-publish", table.publish_table, "what the queue's clones have finished")
    sub.add_argument("place", type=Path, nargs="+", help="folders of `make table`")
    sub.add_argument("--results", type=Path, default=RESULTS, help=f"where ({RESULTS}/)")

    sub = command("robustness", inference.robustness, "contrast sets, typos, other sentences")
    sub.add_argument("benchmark", type=Path, help="a benchmark folder, or a run's")
    sub.add_argument("--publish", action="store_true", help="keep what was found under --results")
    sub.add_argument("--results", type=Path, default=RESULTS, help=f"where ({RESULTS}/)")

    sub = command("predict", inference.predict, "labels for new texts")
    sub.add_argument("run", type=Path, help="a run folder")
    sub.add_argument("text", nargs="*", help="texts; none: one per line of standard input")
    weights(sub)

    sub = command("export", inference.export, "ONNX, torch.export or Hugging Face files")
    sub.add_argument("run", type=Path, help="a run folder")
    sub.add_argument("--to", choices=("onnx", "pt2", "huggingface"), required=True)
    sub.add_argument("--quantize", choices=("int8",), help="with onnx: weights in 8 bits")
    sub.add_argument("--out", type=Path, help="the folder to write (export/FORMAT in the run)")
    sub.add_argument("--force", action="store_true", help="replace an earlier export there")
    weights(sub)

    sub = command("vectors", inference.vectors, "neighbours and analogies of words")
    sub.add_argument("what", choices=("neighbours", "analogy", "clusters"))
    sub.add_argument("place", type=Path, help="a run folder, or a folder of kept vectors")
    sub.add_argument("word", nargs="*", help="words; for an analogy three, as in: man king woman")

    sub = command("submit", inference.submit, "a submission to the Kaggle contest")
    sub.add_argument("run", type=Path, help="the folder of a run on Kaggle's data")
    sub.add_argument("--out", type=Path, help="the file to write (submission.csv in the run)")
    sub.add_argument("--hard", action="store_true", help="0 or 1, not the probability")

    sub = command(
        "pretrain", prepare.pretrain, "masked words of the corpus, before `fit`", epilog=epilog
    )
    sub.add_argument("-c", "--config", required=True, help="an encoder's experiment")
    settings(sub, "full")
    sub.add_argument("--out", type=Path, required=True, help="the folder that `fit` starts from")
    sub.add_argument("--steps", type=int, default=7000, help="of the optimiser (7000)")
    sub.add_argument("--batch-size", type=int, default=32, help="texts per step (32)")
    sub.add_argument("--window", type=int, default=128, help="tokens seen of a text (128)")
    sub.add_argument("--learning-rate", type=float, default=1e-4, help="at its peak (1e-4)")
    sub.add_argument(
        "--pairs",
        choices=("next-sentence", "sentence-order"),
        help="beside masked words: as BERT, or as ALBERT (none, as RoBERTa)",
    )
    sub.add_argument("--seed", type=int, default=0)

    sub = command("speed", listing.speed, "throughput of a pretrained encoder", epilog=epilog)
    sub.set_defaults(overridable=True)
    sub.add_argument("experiment", help="`bert`, `minilm`, …")
    sub.add_argument(
        "--from-config",
        action="store_true",
        help="random weights of the size that the experiment's file names: no download",
    )
    sub.add_argument("--steps", type=int, default=50, help="measured steps (50)")
    sub.add_argument("--out", type=Path, help="file for the JSON")

    command("list", listing.show_list, "the experiments there are")
    return parser
