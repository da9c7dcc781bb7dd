"""Experiments against other libraries: the same work, in turns, each in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.machine.terminal import GridColumn, print_grid
from experiments.speed.comparison.rivals import Peer
from experiments.speed.process import run_measurement

OURS = "ours"


@dataclass
class Comparison:
    """Comparison of one experiment with a library.

    Attributes:
        peer: The library.
        python: Its interpreter.
        experiment: Name of the experiment, or of word vectors.
        resolved: Settings of our side.
        rounds: Number of measurements of each side.
        warmup: Steps before each, which are not measured.
        threads: CPU threads of each side.
        batch_sizes: Sizes from which each side takes its best; empty: the experiment's own.
        configs: Further folders of experiments.
        say: Called with a line on what has been measured.
    """

    peer: Peer
    python: Path
    experiment: str
    resolved: Resolved
    rounds: int
    warmup: int
    threads: int
    batch_sizes: Sequence[int] = ()
    configs: Sequence[Path] = ()
    say: Callable[[str], None] = lambda line: None
    _others: list[float] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """Measure all sides in turns.

        Returns:
            `rounds`, each with what every side measured; medians of the `seconds` of each side;
            `ratio` of the seconds of each other side to ours within a round: median, min and max;
            what was equal; `versions` of all sides.

        Raises:
            ConfigError: The interpreter lacks the library.
            SystemExit: A measurement failed; the message ends with its last output.
        """
        versions = self._peer_versions()
        sides = (OURS, *self.peer.variants)
        with tempfile.TemporaryDirectory() as place:
            common, job = self._jobs(Path(place))
            sizes, choice = self._best_sizes(sides, common, job, Path(place))
            rounds = []
            for number in range(1, self.rounds + 1):
                one = {s: self._measure(s, sizes[s], common, job, Path(place)) for s in sides}
                rounds.append(one)
                times = ", ".join(f"{side} {one[side]['seconds']:.1f} s" for side in sides)
                self.say(f"round {number}/{self.rounds}: {times}")
        ours = rounds[0][OURS]["versions"]
        plain = [
            {s: {k: v for k, v in one[s].items() if k != "versions"} for s in sides}
            for one in rounds
        ]
        known = {"reviews", "tokens", "max_length", "bf16", "settings"}
        return {
            "peer": self.peer.name,
            "experiment": self.experiment,
            "work": self.peer.work,
            "remarks": list(self.peer.remarks),
            "equal": {name: job[name] for name in sorted(known & job.keys())}
            | {"warmup": self.warmup, "threads": self.threads},
            "batch_size": sizes,
            "batch_size_choice": choice,
            **summarise(plain, sides),
            "others": max(self._others, default=None),
            "versions": {OURS: ours, self.peer.name: versions},
        }

    def _peer_versions(self) -> dict[str, str]:
        try:
            found = run_measurement([*self._command(), "--versions"], self.threads, self.peer.gpu)
        except (SystemExit, OSError) as error:
            raise ConfigError(
                f"--against {self.peer.name}: {self.python} cannot run {self.peer.script.name} "
                f"({error}); run `make peers`, or name another interpreter with --peer-python"
            ) from None
        found.pop("others")
        return found

    def _jobs(self, place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Jobs of our side and of the other, batch sizes aside."""
        settings = place / "settings.yaml"
        settings.write_text(yaml.safe_dump(self.resolved.config), encoding="utf-8")
        common = {
            "peer": self.peer.name,
            "experiment": self.experiment,
            "settings": str(settings),
            "folder": str(place),
            "configs": [str(folder) for folder in self.configs],
            "warmup": self.warmup,
            "threads": self.threads,
            "seed": self.resolved.seed,
        }
        job = run_measurement(
            [*_ours(), "--prepare", _written(place / "prepare.json", common)],
            self.threads,
            self.peer.gpu,
        )
        job.pop("others")
        if self.peer.work == "pipeline":
            common |= {name: job[name] for name in ("train", "validation")}
        return common, {**job, **{name: common[name] for name in ("warmup", "threads", "seed")}}

    def _best_sizes(
        self, sides: Sequence[str], common: dict[str, Any], job: dict[str, Any], place: Path
    ) -> tuple[dict[str, int], dict[str, dict[int, float]]]:
        """Batch size of each side, and the seconds by which it was chosen."""
        sizes = self.batch_sizes or [job["own_batch_size"]]
        if len(sizes) == 1:
            return dict.fromkeys(sides, sizes[0]), {}
        choice = {}
        for side in sides:
            choice[side] = {
                size: self._measure(side, size, common, job, place)["seconds"] for size in sizes
            }
            times = ", ".join(f"{size}: {s:.1f} s" for size, s in choice[side].items())
            self.say(f"{side} by batch size: {times}")
        return {side: min(choice[side], key=choice[side].__getitem__) for side in sides}, choice

    def _measure(
        self, side: str, size: int, common: dict[str, Any], job: dict[str, Any], place: Path
    ) -> dict[str, Any]:
        file = place / "job.json"
        if side == OURS:
            command = [*_ours(), _written(file, {**common, "batch_size": size})]
            found = run_measurement(command, self.threads, self.peer.gpu)
        else:
            given = {**job, "batch_size": size, "variant": side}
            # With the variables of OpenMP that our side has: beside a busy process Trainer took
            # 5 to 12 times as long with the library's own (one round of 64 short reviews).
            command = [*self._command(), _written(file, given)]
            found = run_measurement(command, self.threads, self.peer.gpu)
        if found["others"] is not None:
            self._others.append(found["others"])
        return found

    def _command(self) -> list[str]:
        # Isolated (-I), so that it imports no modules from this folder or PYTHONPATH.
        return [str(self.python), "-I", str(self.peer.script)]


def summarise(rounds: Sequence[dict[str, dict[str, Any]]], sides: Sequence[str]) -> dict[str, Any]:
    """Medians of each side, and of the ratios of each other side to ours within a round.

    The ratios are taken within a round, since a disturbance of the machine affects all sides.
    """
    medians = {side: statistics.median(one[side]["seconds"] for one in rounds) for side in sides}
    ratio = {}
    for side in sides[1:]:
        ratios = [one[side]["seconds"] / one[OURS]["seconds"] for one in rounds]
        median = statistics.median(ratios)
        ratio[side] = {"median": median, "min": min(ratios), "max": max(ratios)}
    return {"seconds": medians, "ratio": ratio, "rounds": list(rounds)}


def print_comparison(console: Console, result: dict[str, Any]) -> None:
    """Print the rounds, the median ratio with its spread, and what was equal."""
    rounds, sides = result["rounds"], [OURS, *result["ratio"]]
    rows = [str(number) for number in range(1, len(rounds) + 1)] + ["median"]
    columns = []
    for side in sides:
        times = [one[side]["seconds"] for one in rounds] + [result["seconds"][side]]
        columns.append(GridColumn(f"{side}, s", [f"{value:.2f}" for value in times]))
    for side in sides[1:]:
        ratios = [one[side]["seconds"] / one[OURS]["seconds"] for one in rounds]
        cells = [f"{value:.2f}" for value in [*ratios, result["ratio"][side]["median"]]]
        columns.append(GridColumn(f"{side} / ours", cells))
    print_grid(console, GridColumn("round", rows), columns)
    for line in describe(result):
        console.print(line, markup=False, highlight=False)


def describe(result: dict[str, Any]) -> list[str]:
    """Sentences on a comparison: ratios, what was equal, accuracy, versions."""
    lines = []
    for side, ratio in result["ratio"].items():
        lines.append(
            f"{result['experiment']}: {ratio['median']:.2f} times as fast as {side} "
            f"({ratio['min']:.2f} to {ratio['max']:.2f})"
        )
    equal = result["equal"]
    words = [f"{equal['reviews']:,} reviews", f"{equal['tokens']:,} tokens"]
    words += [f"at most {equal['max_length']} each"] if equal["max_length"] else []
    words += [f"{equal['threads']} threads"]
    sizes = result["batch_size"]
    if result["work"] in ("pipeline", "vectors"):
        pass  # our side has batches of its own, and the other none
    elif len(set(sizes.values())) == 1:
        words.append(f"batches of {next(iter(sizes.values()))}")
    else:
        words.append("batches of " + ", ".join(f"{n} ({side})" for side, n in sizes.items()))
    lines.append(", ".join(words))
    lines += result["remarks"]
    sides = result["rounds"][0]
    for key, style in (("parameters", ",.0f"), ("loss", ".4f"), ("accuracy", ".2%")):
        known = [side for side in sides if sides[side].get(key) is not None]
        middle = {
            side: statistics.median(one[side][key] for one in result["rounds"]) for side in known
        }
        if middle:
            lines.append(
                f"{key}: " + ", ".join(f"{side} {value:{style}}" for side, value in middle.items())
            )
    shown = ("python", "torch", "lightning", "numpy")
    for side, versions in result["versions"].items():
        names = [name for name in versions if side != OURS or name in shown]
        lines.append(f"{side}: " + ", ".join(f"{name} {versions[name]}" for name in names))
    return lines


def _ours() -> list[str]:
    return [sys.executable, "-m", "experiments.speed.comparison.ours"]


def _written(file: Path, job: dict[str, Any]) -> str:
    file.write_text(json.dumps(job), encoding="utf-8")
    return str(file)
