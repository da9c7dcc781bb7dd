"""`sweep`: settings of one experiment, tried on validation."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from rich.console import Console

from experiments.cli.common import overrides_of, registry_of
from experiments.config.registry import CONFIGS, read_profile


def sweep(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`sweep`: try settings of one experiment on validation and write the best as YAML."""
    import yaml

    from experiments.launch import benchmark
    from experiments.launch.local import LocalLauncher
    from experiments.launch.prefetch import offline_variables
    from experiments.records.atomic import replace_bytes
    from experiments.tuning.search_space import check_space, read_space, wandb_sweep
    from experiments.tuning.sweep import Sweep

    registry = registry_of(options)
    plan = benchmark.expand(
        registry,
        read_profile(options.profile),
        names=[options.experiment],
        seeds=[options.seed],
        name=options.name or f"sweep-{registry.name_of(options.experiment)}",
        runs=options.runs,
        overrides=overrides_of(options, rest),
        test=False,
    )
    spec = replace(plan.specs[0], folder=plan.folder)
    resolved = spec.resolve()
    run = resolved.run
    file = options.space or CONFIGS / "sweeps" / f"{spec.experiment}.yaml"
    space = read_space(file)
    check_space(file, space, spec)
    if options.wandb_sweep:
        with console.status("reading the corpus (once)"):
            corpus = resolved.corpus_fingerprint()
        content = wandb_sweep(
            space, options.experiment, spec, run.monitor, run.mode, options.trials, corpus
        )
        replace_bytes(options.wandb_sweep, yaml.safe_dump(content, sort_keys=False).encode())
        console.print(
            f"`wandb sweep {options.wandb_sweep}` registers it, `wandb agent …` runs trials",
        )
        return 0
    launcher = LocalLauncher(options.jobs, offline_variables([spec]))
    benchmark.prepare([spec], console)
    trials = Sweep(spec, space, options.trials, options.pruner, launcher, console)
    best = trials.run()
    if best is None:
        print("error: no trial came to an end; their rows say why", file=sys.stderr)
        return 1
    console.print(f"best settings: {best}", soft_wrap=True)
    return 0
