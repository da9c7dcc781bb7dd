"""Experiments, settings and runs that the options of a command name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.registry import (
    ConfigError,
    Registry,
    current_experiment,
    nearest,
    read_profile,
)

if TYPE_CHECKING:  # it loads torch
    from experiments.launch.benchmark import Plan

_OFFLINE = ("quick", "smoke")  # profiles whose corpus comes with the installation


def registry_of(options: argparse.Namespace) -> Registry:
    """Registry of the experiments, with those of `--configs`."""
    return Registry(options.configs)


def overrides_of(options: argparse.Namespace, rest: list[str]) -> list[str]:
    """Settings typed in short (`--root`) and in full (`--model.dropout 0.3`).

    Raises:
        ConfigError: `--root` with a profile that has its own corpus.
    """
    if options.root and options.profile in _OFFLINE and not any("--data=" in w for w in rest):
        raise ConfigError(
            f"--root {options.root}: profile {options.profile!r} has its own offline corpus; add "
            "--profile full for the official one"
        )
    return [*([f"--data.root={options.root}"] if options.root else []), *rest]


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
    return benchmark.expand(
        registry,
        profile,
        names=options.experiments,
        seeds=getattr(options, "seeds", None) or [],
        name=options.name or profile.name,
        runs=options.runs,
        overrides=overrides_of(options, rest),
        train_sizes=getattr(options, "train_sizes", None) or [],
    )
