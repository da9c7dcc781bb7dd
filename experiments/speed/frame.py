"""Measurements of several experiments, each in a process of its own, and their tables."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from experiments.config.resolved import Resolved
from experiments.machine.terminal import GridColumn, print_grid
from experiments.speed.measure import Plan
from experiments.speed.process import run_measurement
from experiments.speed.steps import PARTS

BUSY = 0.1
"""Share of the cores that other processes kept busy above which figures are doubtful."""

MS = "milliseconds_per_step"


def measure_experiments(
    measured: Sequence[tuple[Resolved, Plan]],
    threads: int,
    folders: Sequence[Path],
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Measure experiments one after the other, each in a process that nothing else has used.

    Args:
        measured: Settings and extent of each.
        threads: CPU threads.
        folders: Further folders of experiments.
        say: Called with a line on each experiment that cannot be measured.

    Returns:
        By name what `measure` returns, with `others`, the share of the cores that other processes
        kept busy; or the `error`.
    """
    results: dict[str, dict[str, Any]] = {}
    for resolved, plan in measured:
        with tempfile.TemporaryDirectory() as place:
            file = Path(place, "settings.yaml")
            file.write_text(yaml.safe_dump(resolved.config), encoding="utf-8")
            command = [sys.executable, "-m", "experiments.speed.measure", str(file)]
            command += [json.dumps(dataclasses.asdict(plan))]
            command += [f"--configs={folder}" for folder in folders]
            try:
                run_measurement([*command, "--prepare"], threads, gpu=True)
                results[plan.experiment] = run_measurement(command, threads, gpu=True)
            except SystemExit as error:
                results[plan.experiment] = {"error": str(error)}
                say(f"{plan.experiment}: {error}")
    return results


def busy_remark(others: Sequence[float | None]) -> str | None:
    """Sentence on the load by other processes; None where the system does not report it."""
    known = [share for share in others if share is not None]
    if not known:
        return None
    text = f"other processes kept {max(known):.0%} of the cores busy"
    if max(known) > BUSY:
        text = f"warning: {text}, and figures above {BUSY:.0%} are doubtful; measure again alone"
    return text


def print_tables(console: Console, results: dict[str, dict[str, Any]]) -> None:
    """Print what was measured: rates, parts of a step, and cost against length and batch size."""
    done = {name: one for name, one in results.items() if "error" not in one}
    if not done:
        return
    lines = [(name, part, one[part]) for name, one in done.items() for part in ("train", "predict")]
    names = GridColumn("experiment", [f"{name}, {part}" for name, part, _ in lines])
    columns = [
        GridColumn("tokens/s", [_whole(one["tokens_per_second"]) for *_, one in lines]),
        GridColumn("reviews/s", [f"{one['reviews_per_second']:,.1f}" for *_, one in lines], 4),
        GridColumn("padding", [_share(one["padding_share"]) for *_, one in lines], 1),
        GridColumn("GFLOP/s", [_giga(one["flops_per_second"]) for *_, one in lines], 3),
        GridColumn("of\npeak", [_share(one["peak_share"], 1) for *_, one in lines]),
        GridColumn("GiB", [_memory(done[name], part) for name, part, _ in lines], 2),
    ]
    print_grid(console, names, columns, "--out FILE.json")
    _print_shares(console, {name: one["train"] for name, one in done.items()})
    _print_curve(console, done, "lengths", "length")
    _print_curve(console, done, "batch_sizes", "batch size")


def _print_shares(console: Console, trained: dict[str, dict[str, Any]]) -> None:
    """Print the parts of a training step, of the experiments that take steps."""
    stepping = {name: one for name, one in trained.items() if one["steps"]}
    if not stepping:
        return
    console.print()
    columns = [GridColumn("ms/step", [_rate(one, MS) for one in stepping.values()], 1)]
    for rank, part in enumerate(reversed(PARTS), start=2):
        cells = [_share(one["shares"][part]) for one in stepping.values()]
        columns.insert(1, GridColumn(part, cells, rank))
    print_grid(console, GridColumn("training step", list(stepping)), columns, "--out FILE.json")


def _print_curve(console: Console, done: dict[str, dict[str, Any]], key: str, heading: str) -> None:
    lines = [(name, one) for name in done for one in done[name].get(key) or []]
    if not lines:
        return
    entry = "batch_size" if key == "batch_sizes" else "length"
    console.print()
    columns = [
        GridColumn(heading, [f"{one[entry]:,}" for _, one in lines]),
        GridColumn("tokens/s", [_rate(one, "tokens_per_second") for _, one in lines]),
        GridColumn("ms/step", [_rate(one, MS) for _, one in lines], 1),
    ]
    if key == "lengths":
        predicted = [_rate(one, "predicted_tokens_per_second") for _, one in lines]
        columns.append(GridColumn("predicted\ntokens/s", predicted, 2))
    print_grid(console, GridColumn("experiment", [name for name, _ in lines]), columns)
    for name, one in lines:
        if "error" in one:
            console.print(Text(f"{name}, {heading} {one[entry]:,}: {one['error']}"))


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _rate(one: dict[str, Any], key: str) -> str:
    return f"{one[key]:,.0f}" if key in one else "–"


def _share(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}%}"


def _giga(value: float | None) -> str:
    return "–" if value is None else f"{value / 1e9:,.1f}"


def _memory(one: dict[str, Any], part: str) -> str:
    """Of training and prediction together, so in the first line alone."""
    memory = one["peak_gpu_memory_bytes"] or one["peak_memory_bytes"]
    return f"{memory / 2**30:.1f}" if part == "train" else ""
