"""`ensemble`: finished runs combined."""

from __future__ import annotations

import argparse

from rich.console import Console

from experiments.config.names import check_name
from experiments.config.registry import Registry


def ensemble(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`ensemble`: sum of the log-probabilities of runs, with weights fitted on validation."""
    from experiments.inference.ensembles import combine_members, write_ensemble
    from experiments.inference.members import find_member, seed_of
    from experiments.records.lock import exclusive_lock
    from experiments.report.tables import build_tables
    from experiments.report.terminal import print_tables

    Registry(options.configs)
    check_name(options.ensemble, "ensemble")
    check_name(options.name, "--name")
    rows = []
    for seed in options.seeds or [None]:
        members = [find_member(text, seed) for text in options.member]
        number = seed_of(members) if seed is None else seed
        folder = options.runs / options.name / options.ensemble / f"seed-{number}"
        combination = combine_members(members, test=not options.no_test)
        with exclusive_lock(folder):
            rows.append(write_ensemble(combination, folder, number))
        console.print(f"{folder}: {rows[-1].notes[-1]}", soft_wrap=True)
    print_tables(console, build_tables(rows))
    return 0
