"""`explain`: what each token of a text contributes to the prediction."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from experiments.cli.options import add_device, add_weights, path
from experiments.cli.streams import lines_of_input
from experiments.config.registry import ConfigError, Registry

_METHODS = ("exact", "integrated-gradients", "occlusion")


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `explain`."""
    sub.add_argument("run", type=path, help="a run folder")
    sub.add_argument("text", nargs="*", help="texts; none: one per line of standard input")
    sub.add_argument("--method", choices=_METHODS, help="the best that the model has")
    sub.add_argument("--html", type=path, metavar="FILE", help="also write a page")
    sub.add_argument("--force", action="store_true", help="replace an existing --html")
    sub.add_argument("--format", choices=("table", "json"), default="table", help="(table)")
    add_device(sub)
    add_weights(sub)


def explain(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`explain`: contributions of tokens to the predictions of a run."""
    from experiments.explaining.page import page
    from experiments.explaining.terminal import paragraphs
    from experiments.inference.loaded_run import load_run
    from experiments.records.atomic import replace_bytes

    Registry(options.configs)
    out: Path | None = options.html
    if out is not None:
        _check_page(out, options.force)
    run = load_run(options.run, weights=options.weights, device=options.device)
    run.explainer.method(options.method)  # refused before a text is read
    explanations = []
    for text in options.text or lines_of_input():
        (explanation,) = run.explain([text], options.method)
        explanations.append(explanation)
        if options.format == "table":
            if len(explanations) > 1:
                console.print()
            for line in paragraphs(explanation):
                console.print(line)
    if not explanations:
        raise ConfigError("no text to explain; type texts, or give lines on standard input")
    if options.format == "json":
        print(json.dumps([explanation.to_dict() for explanation in explanations], indent=1))
    if out is not None:
        title = f"{run.row.experiment}, seed {run.row.seed}"
        replace_bytes(out, page(title, explanations).encode("utf-8", "replace"))
        print(f"note: {out}: {len(explanations):,} explanations", file=sys.stderr)
    return 0


def _check_page(out: Path, force: bool) -> None:
    """Refuse a page that cannot be written or would replace something, before the work."""
    if out.is_dir():
        raise ConfigError(f"--html {out} is a folder; name a file in it")
    if not out.parent.is_dir():
        raise ConfigError(f"--html {out}: there is no folder {out.parent}; make it first")
    if out.exists() and not force:
        raise ConfigError(f"--html {out} exists; add --force to replace it, or name another file")
