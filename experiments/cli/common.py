"""Experiments, settings and runs that the options of a command name."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.registry import (
    ConfigError,
    Registry,
    current_experiment,
    nearest,
    read_profile,
)
from experiments.inference.corpus_names import check_root

if TYPE_CHECKING:  # it loads torch
    from experiments.launch.benchmark import Plan

# Of every experiment on a user's own corpus: each is judged by the same rows, in one table.
_OWN_PROTOCOL = "holdout"
_OFFLINE = ("quick", "smoke")  # profiles whose corpus comes with the installation


def registry_of(options: argparse.Namespace) -> Registry:
    """Registry of the experiments, with those of `--configs`."""
    return Registry(options.configs)


def overrides_of(options: argparse.Namespace, rest: list[str]) -> list[str]:
    """Settings typed in short (`--root`) and in full (`--model.dropout 0.3`).

    Raises:
        ConfigError: `--root` with a profile that has its own corpus, with a file, or with another
            `root`.
    """
    data = [f"--data={options.data}"] if options.data is not None else []
    if options.data is not None:
        check_root(options.root, options.data)
    if options.root and options.profile in _OFFLINE and not data:
        raise ConfigError(
            f"--root {options.root}: profile {options.profile!r} has its own offline corpus; add "
            "--profile full for the official one"
        )
    if options.root and (twice := [w for w in rest if w.startswith("--data.root")]):
        raise ConfigError(
            f"--root {options.root} and {twice[0]} both name the corpus; leave one out"
        )
    return [*data, *([f"--data.root={options.root}"] if options.root else []), *rest]


def plan_of(options: argparse.Namespace, rest: list[str]) -> Plan:
    """Runs that a command asks for.

    Raises:
        ConfigError: no experiment of a name, or a setting that cannot be used.
    """
    from experiments.launch import benchmark

    registry, profile = registry_of(options), read_profile(options.profile)
    for name in (current_experiment(name, registry) for name in options.experiments):
        if name.startswith("-"):
            raise ConfigError(f"{name!r} is no experiment")
        if name not in registry.files and not Path(name).is_file():
            raise ConfigError(
                f"no experiment {name!r}{nearest(name, registry.files)}; "
                "`lit-sentiment list` shows all"
            )
    overrides = overrides_of(options, rest)
    expand = partial(
        benchmark.expand,
        registry,
        profile,
        names=options.experiments,
        seeds=getattr(options, "seeds", None) or [],
        name=options.name or profile.name,
        runs=options.runs,
        train_sizes=getattr(options, "train_sizes", None) or [],
    )
    plan = expand(overrides=overrides)
    typed = [word.partition("=")[0] for word in overrides]
    if "--data" in typed and "--run.protocol" not in typed and plan.specs[0].own_corpus:
        return expand(overrides=[*overrides, f"--run.protocol={_OWN_PROTOCOL}"])
    return plan
