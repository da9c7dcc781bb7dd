"""`list` and `speed`: the experiments there are, and how fast an encoder is."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from experiments.cli.common import registry_of
from experiments.config.registry import read_profile


def show_list(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`list`: every experiment, what it is, and whether `quick` runs it."""
    registry, quick = registry_of(options), read_profile("quick")
    table = Table("experiment", "what", "quick", box=None, header_style="bold")
    for name in registry.files:
        mark = "yes" if name in (quick.experiments or {}) else ""
        table.add_row(name, registry.description(name), mark)
    console.print(table)
    return 0


def speed(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`speed`: how fast a pretrained encoder trains and predicts on this machine."""
    from experiments.speed import encoders
    from experiments.speed.record import write_measurement

    registry = registry_of(options)
    resolved = encoders.configure(registry, options.experiment, options.from_config, rest)
    found = encoders.report(options.experiment, resolved, options.steps, options.from_config)
    encoders.print_table(console, found)
    gigabytes = (found["peak_gpu_memory_bytes"] or found["peak_memory_bytes"]) / 2**30
    console.print(
        f"{found['device']}, {found['precision']}, {found['steps']} steps of "
        f"{found['batch_size']} reviews; peak memory {gigabytes:.1f} GiB; MFU is the share of "
        f"{found['peak_flops'] / 1e12:.2f} TFLOP/s, a matrix product measured here",
    )
    write_measurement(found, options.out)
    return 0
