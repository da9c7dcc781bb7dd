"""Campaign of kills: runs killed at named points and resumed must end like uninterrupted ones.

By hand: `python -m tests.faults.campaign --kills 100 --seed 0`.

A chain is one run with its own folder and cache. It is killed while it writes its token stores,
between epochs, while it writes a checkpoint and while it writes its row; the same command resumes
it each time until it ends. Every start is a fork of this process, which has only imported modules,
so that it takes one second instead of ten.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import torch

import experiments.training.run  # noqa: F401  # for the forks
from datamodules.faults import VARIABLE
from experiments.cli.main import main
from experiments.records.run_files import read_row

# Lowest number of times that a run passes each point.
PASSES = {"store": 8, "epoch": 3, "checkpoint": 4, "row.json": 3}
CHAIN = ("store", "store", "epoch", "checkpoint", "row.json")
WORDS = ["fit", "-c", "bag", "--profile", "smoke", "--test", "--data=tests.toys.ToyData"]
WORDS += ["--data.rows=120", "--trainer.max_epochs=3", "--run.wandb_mode=disabled"]
SEEDS = 4


@dataclass
class Campaign:
    """Result of a campaign.

    Attributes:
        kills: number of kills at each point.
        wrong: problems; empty if there are none.
        seconds: duration.
    """

    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(folder: Path, kills: int, seed: int) -> Campaign:
    """Runs a campaign and logs every start to `faults.jsonl` in `folder`."""
    campaign, rng, started = Campaign(), random.Random(seed), time.monotonic()
    whole = [folder / f"whole-{number}" for number in range(SEEDS)]
    for number, place in enumerate(whole[: -(-kills // len(CHAIN))]):
        assert _start(place, number, None) == 0, (place / "output.txt").read_text()
    chain = 0
    while campaign.kills.total() < kills:
        place = folder / f"chain-{chain}"
        for point in CHAIN:
            # At an early or a late pass; if the run ends before it, an earlier one is tried.
            for most in (PASSES[point], 2, 1):
                fault = f"{point}:{rng.randint(1, most)}:{rng.choice((0, 0, rng.uniform(0, 4)))}"
                status = _start(place, chain % SEEDS, fault)
                killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
                entry = {"seed": seed, "chain": chain, "fault": fault, "killed": killed}
                with open(folder / "faults.jsonl", "a", encoding="utf-8") as log:
                    log.write(json.dumps(entry) + "\n")
                if killed:
                    campaign.kills[point] += 1
                    break
                if status != 0:
                    campaign.wrong.append(f"chain {chain} at {fault}: exit status {status}")
        if (status := _start(place, chain % SEEDS, None)) != 0:
            campaign.wrong.append(f"chain {chain}: exit status {status} in the end")
        campaign.wrong += [
            f"chain {chain}: {problem}" for problem in _compare(whole[chain % SEEDS], place)
        ]
        chain += 1
    campaign.seconds = time.monotonic() - started
    return campaign


def _start(place: Path, seed: int, fault: str | None) -> int:
    """Starts the command in a fork and returns its wait status."""
    place.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        os.environ["LIT_SENTIMENT_CACHE"] = str(place / "cache")
        os.environ.pop(VARIABLE, None)
        if fault is not None:
            os.environ[VARIABLE] = fault
        output = os.open(place / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
        code = main([*WORDS, "--seed", str(seed), "--runs", str(place / "runs")])
    finally:
        sys.stdout.flush()
        os._exit(code)


def _compare(whole: Path, cut: Path) -> list[str]:
    """Differences between an interrupted run and an uninterrupted one."""
    [first], [second] = (sorted(place.glob("runs/fit/bag/seed-*")) for place in (whole, cut))
    if not (second / "row.json").exists():
        return ["its row is lost"]
    problems = []
    expected, row = read_row(first), read_row(second)
    for name in ("status", "val", "test", "epochs", "best_epoch", "config_hash", "parameters"):
        if getattr(row, name) != getattr(expected, name):
            problems.append(f"{name} is {getattr(row, name)}, not {getattr(expected, name)}")
    losses = [[epoch["train/epoch_loss"] for epoch in one.history] for one in (expected, row)]
    if losses[0] != losses[1]:
        problems.append(f"losses are {losses[1]}, not {losses[0]}")
    for name in ("predictions.parquet", "val_predictions.parquet"):
        if not pq.read_table(first / name).equals(pq.read_table(second / name)):
            problems.append(f"{name} differs")
    weights = [
        torch.load(f / "model.ckpt", weights_only=True)["state_dict"] for f in (first, second)
    ]
    if any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0]):
        problems.append("weights differ")
    if len((second.parents[1] / "results.jsonl").read_text().splitlines()) != 1:
        problems.append("results.jsonl has not one row")
    left = [p for p in cut.rglob(".*") if not p.name.endswith(".lock")]
    return problems + [f"left behind: {path}" for path in left]


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--kills", type=int, default=100)
    words.add_argument("--seed", type=int, default=0)
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        done = run(Path(temporary), options.kills, options.seed)
    print(f"kill -9: {done.kills.total()} ({dict(done.kills)}), seed {options.seed}")
    print(f"rows lost, double or wrong, files left: {len(done.wrong)}; {done.seconds:.0f} s")
    print("\n".join(done.wrong))
    sys.exit(bool(done.wrong))
