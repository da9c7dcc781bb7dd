"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

RUNS, RESULTS = Path("runs"), Path(__file__).parents[1] / "results"
Commands = dict[str, argparse.ArgumentParser]
LISTED = (
    "`lit-sentiment fit -c cnn --print_config` lists all settings of an experiment; its file and "
    "its class say what they mean."
)
SETTINGS = (
    "Any setting can follow, such as --model.dropout 0.3 --data.batch_size 64 "
    f"--trainer.max_epochs 5 --run.patience 2. {LISTED}"
)


def path(text: str) -> Path:
    """Path that was typed: `--runs=~/runs` reaches the program with its `~`.

    Raises:
        argparse.ArgumentTypeError: there is no such home folder, or no path can be so.
    """
    expanded = os.path.expanduser(text)
    if expanded.startswith("~") and not os.path.lexists(expanded):
        user = text.partition("/")[0]
        raise argparse.ArgumentTypeError(f"{text!r}: {user} has no home folder; write it out")
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no path; name a file or a folder")
    return Path(expanded)


def version() -> str:
    """Version of this program, and that of Python."""
    try:
        return metadata.version("lit-sentiment")
    except metadata.PackageNotFoundError:
        return "(a checkout that is not installed)"


def description(function: Callable[..., int], summary: str) -> str:
    """First paragraph of a command's docstring; without docstrings (`python -OO`) its summary."""
    first = (function.__doc__ or f": {summary}.").partition(": ")[2].partition("\n\n")[0]
    return first[:1].upper() + first[1:]


def add_configs(sub: argparse.ArgumentParser) -> None:
    """Add the option of further folders of experiments."""
    sub.add_argument(
        "--configs",
        action="append",
        type=path,
        default=[],
        metavar="DIR",
        help="a further folder of experiments (YAML, and Python beside it)",
    )


def add_corpus(sub: argparse.ArgumentParser, profile: str) -> None:
    """Add the options of the corpus; any setting may follow."""
    sub.set_defaults(overridable=True)
    sub.add_argument("--profile", default=profile, help=f"corpus and sizes ({profile})")
    sub.add_argument("--root", help="the official corpus: its folder, or its archive")
    sub.add_argument(
        "--data",
        metavar="FILE",
        help="your own texts with labels: a CSV, TSV, JSONL or Parquet file; or a class that "
        "reads a corpus",
    )


def add_settings(sub: argparse.ArgumentParser, profile: str) -> None:
    """Add the options of the corpus and the folder of runs."""
    add_corpus(sub, profile)
    sub.add_argument("--runs", type=path, default=RUNS, help=f"where runs go ({RUNS}/)")


def add_device(sub: argparse.ArgumentParser) -> None:
    """Add the choice of a device for predictions."""
    sub.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="cpu", help="where to compute (cpu)"
    )


def add_weights(sub: argparse.ArgumentParser) -> None:
    """Add the choice between the weights of the two fits of a run."""
    sub.add_argument(
        "--weights",
        choices=("holdout", "refit"),
        help="of a run under protocol refit: the first fit's or the second's (the second's)",
    )


def add_seeds(sub: argparse.ArgumentParser, what: str) -> None:
    """Add the option of several random seeds."""
    sub.add_argument("--seeds", type=int, nargs="+", action="extend", metavar="N", help=what)
