"""Training step of a small CNN on an idle and on a busy machine, by how long threads wait.

    python -m experiments.speed.busy
    python -m experiments.speed.busy --spin-counts default 0 1000 10000 --pairs 3

A process for each spin count (`experiments.machine.openmp`; `default`: the library's) measures in
turn, first on the machine as it is, then beside processes that keep a core busy each, which this
program starts and ends. Medians of the rounds, and of the ratios to the first count within a round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from datamodules.console import plain_console
from experiments.machine import openmp
from experiments.machine.cores import affinity
from experiments.machine.environment import versions
from experiments.machine.load import Load
from experiments.machine.quiet import quiet
from experiments.speed.record import Origin, write_measurement

DEFAULT = "default"
_VARIABLE = "GOMP_SPINCOUNT"
_ROWS, _WORDS, _WARMUP = 32, 128, 5


def environment(spin_count: str, threads: int) -> dict[str, str]:
    """Environment of this process with a spin count, and no other word on how threads wait."""
    waiting = (openmp.POLICY, *openmp.WAITING)
    variables = {name: value for name, value in os.environ.items() if name not in waiting}
    if spin_count != DEFAULT:
        variables[_VARIABLE] = spin_count
    return variables | {openmp.THREADS: str(threads), "CUDA_VISIBLE_DEVICES": ""}


class Worker:
    """Process that measures training steps under a spin count, whenever it is asked to."""

    def __init__(self, spin_count: str, threads: int) -> None:
        self.spin_count = spin_count
        self.process = subprocess.Popen(
            [sys.executable, "-m", "experiments.speed.busy", "--worker"],
            env=environment(spin_count, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def milliseconds(self, steps: int) -> float:
        """Mean duration of some steps."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(steps, file=self.process.stdin, flush=True)
        return float(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Train a small CNN for as many steps as each line asks for, and answer with milliseconds."""
    import torch
    import torch.nn.functional as F

    from lit_models.cnn import CNN

    torch.manual_seed(0)
    model = CNN(vocab_size=5000, gradient_clip_norm=None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    tokens = torch.randint(2, 5000, (_ROWS, _WORDS))
    lengths, labels = torch.full((_ROWS,), _WORDS), torch.arange(_ROWS) % 2
    for line in questions:
        steps = int(line)
        for step in range(-_WARMUP, steps):
            if step == 0:
                started = time.perf_counter()
            optimizer.zero_grad()
            F.cross_entropy(model.net(tokens, lengths), labels).backward()
            optimizer.step()
        print(1000 * (time.perf_counter() - started) / steps, file=answers, flush=True)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keeps as many cores busy within the block, by processes that it starts and ends."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()


def compare(
    spin_counts: Sequence[str], pairs: int, steps: int, processes: int, threads: int
) -> list[dict[str, Any]]:
    """Measure all spin counts in turn, idle and busy.

    Returns:
        For each count and number of busy processes the median of `milliseconds`, the median
        `ratio` to the first count, and the `rounds`.
    """
    workers = [Worker(spin_count, threads) for spin_count in spin_counts]
    results = []
    try:
        for worker in workers:
            worker.milliseconds(1)  # waits until all of them are ready
        for load in (0, processes):
            with busy(load):
                rounds = [[w.milliseconds(steps) for w in workers] for _ in range(pairs)]
            for worker, times in zip(workers, zip(*rounds, strict=True), strict=True):
                ratios = [time / first[0] for time, first in zip(times, rounds, strict=True)]
                results.append(
                    {
                        "spin_count": worker.spin_count,
                        "busy_processes": load,
                        "milliseconds": statistics.median(times),
                        "ratio": statistics.median(ratios),
                        "rounds": times,
                    }
                )
    finally:
        for worker in workers:
            worker.close()
    return results


def load_before(seconds: float = 1.0) -> float | None:
    """Share of the cores that other processes keep busy before anything is measured."""
    load = Load()
    time.sleep(seconds)
    return load.others()


def show(results: Sequence[dict[str, Any]], others: float | None, console: Console) -> None:
    """Print a line for each spin count and load."""
    table = Table("spin count", "busy processes", "step ms", "ratio", box=None)
    for result in results:
        numbers = f"{result['milliseconds']:.1f}", f"{result['ratio']:.2f}"
        table.add_row(result["spin_count"], str(result["busy_processes"]), *numbers)
    console.print(table)
    if others is not None:
        console.print(f"before, other processes kept {others:.0%} of the cores busy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the medians, and write them where `--out` says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    chosen = openmp.WAITING[_VARIABLE]
    parser.add_argument("--spin-counts", nargs="+", default=[DEFAULT, chosen])
    for name, value in (("pairs", 9), ("steps", 20), ("busy", 2), ("threads", affinity())):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        serve(sys.stdin, sys.stdout)
        return
    origin = Origin()
    measured = options.spin_counts, options.pairs, options.steps, options.busy, options.threads
    with quiet():
        others = load_before()
        results = compare(*measured)
    show(results, others, plain_console(width=100))
    record = {"results": results, "others_before": others, "versions": versions()}
    write_measurement(record | origin.describe(options.threads), options.out)


if __name__ == "__main__":
    main()
