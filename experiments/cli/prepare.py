"""`list`, `prepare` and `pretrain`: what comes before `fit`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.cli.common import overrides_of, plan_of, registry_of
from experiments.config.registry import layered, read_profile


def show_list(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`list`: every experiment, what it is, and whether `quick` runs it."""
    registry, quick = registry_of(options), read_profile("quick")
    table = Table("experiment", "what", "quick", box=None, header_style="bold")
    for name in registry.files:
        mark = "yes" if name in (quick.experiments or {}) else ""
        table.add_row(name, registry.description(name), mark)
    console.print(table)
    return 0


def prepare(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`prepare`: fetch corpus, vectors and weights, and tokenise; nothing is fitted."""
    from experiments.launch import benchmark, prefetch

    # Weights first: without network that fails at once, and not after half an hour.
    fetched = []
    if options.weights:
        named = argparse.Namespace(**vars(options) | {"experiments": options.weights})
        fetched = [prefetch.fetch(spec) for spec in plan_of(named, rest).specs]
        options.experiments = options.experiments or options.weights
    specs = plan_of(options, rest).specs
    for spec in specs:
        prefetch.fetch_vectors(spec.resolve())
    benchmark.prepare(specs, console)
    console.print("the corpus is ready")
    if fetched:
        names = ", ".join(sorted(set().union(*fetched)))
        console.print(f"weights of {names} are ready; runs set HF_HUB_OFFLINE")
    return 0


def pretrain(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`pretrain`: train an encoder on the texts of a corpus, without labels, before `fit`."""
    from experiments.config.resolved import Resolved
    from experiments.training import pretraining

    settings = layered(registry_of(options), options.config, read_profile(options.profile))
    settings["seed_everything"] = options.seed
    resolved = Resolved(settings, overrides_of(options, rest))
    with console.status("starting") as status:
        done = pretraining.pretrain(
            resolved,
            options.out,
            steps=options.steps,
            batch_size=options.batch_size,
            window=options.window,
            learning_rate=options.learning_rate,
            pairs=options.pairs,
            progress=lambda what, share: status.update(Text(f"{share:.0%}: {what}")),
        )
    console.print(
        f"{done['steps']:,} steps over {done['rows']:,} texts in {done['seconds']:.0f} s; masked "
        f"loss on validation {done['val_masked_loss_before']:.3f} → {done['val_masked_loss']:.3f}; "
        f"go on with: lit-sentiment fit -c {options.config} --model.source {options.out} "
        f"--data.tokenizer.source {options.out}",
    )
    return 0
