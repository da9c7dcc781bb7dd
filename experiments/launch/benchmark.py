"""Benchmark: experiments × random seeds, each run once, resumable, every outcome a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from datamodules.errors import DataError, Unavailable
from experiments.config.names import check_name
from experiments.config.registry import (
    ConfigError,
    Profile,
    Registry,
    current_experiment,
    layered,
    merge,
)
from experiments.launch.earlier import take_back
from experiments.launch.launcher import Launcher
from experiments.machine.environment import now
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE, collect, read_row, write_row
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.fitting import SELECTION_FILE
from experiments.training.outcome import failed_row
from experiments.training.spec import RunSpec

_LEAST_BUDGET = 60


@dataclass(frozen=True)
class Plan:
    """Runs of a benchmark.

    Attributes:
        name: the benchmark's name.
        folder: `runs/<name>`.
        specs: all runs, finished or not.
    """

    name: str
    folder: Path
    specs: list[RunSpec]


def expand(
    registry: Registry,
    profile: Profile,
    *,
    names: Sequence[str],
    seeds: Sequence[int],
    name: str,
    runs: Path,
    overrides: Sequence[str] = (),
    test: bool = True,
    train_sizes: Sequence[int] = (),
) -> Plan:
    """Plan the runs: experiments × seeds, × sizes of the train set where some are given.

    Args:
        registry: the experiments that exist.
        profile: sizes, and the experiments where `names` is empty.
        names: experiments, by name or file.
        seeds: random seeds; empty means the profile's.
        name: the benchmark's name.
        runs: folder of all benchmarks.
        overrides: settings typed on the command line, for every run.
        test: whether test rows are predicted.
        train_sizes: for learning curves: numbers of reviews to train on; runs are named after
            them, such as `cnn-500`.

    Raises:
        ConfigError: an unknown experiment, a size below 2, or a name that is no folder name.
    """
    check_name(name, "--name")
    chosen = [current_experiment(name, registry) for name in names] or (
        list(registry.files) if profile.experiments is None else list(profile.experiments)
    )
    for word in overrides:
        if word.startswith("--seed_everything"):
            raise ConfigError(f"{word}: seeds are given with --seed (fit) or --seeds (benchmark)")
    wrong = [seed for seed in seeds if seed < 0]
    if wrong:
        raise ConfigError(f"seed {wrong[0]} is negative; seeds are 0, 1, 2, …")
    sizes: list[int | None] = list(train_sizes) or [None]
    small = [size for size in train_sizes if size < 2]
    if small:
        raise ConfigError(f"--train-sizes {small[0]}: a size is at least 2, a review of each class")
    specs = [
        RunSpec(
            experiment=(full := Path(experiment).stem + (f"-{size}" if size else "")),
            benchmark=name,
            profile=profile.name,
            seed=seed,
            folder=runs / name / full / f"seed-{seed}",
            settings=merge(layered(registry, experiment, profile), _limit(size)),
            overrides=tuple(overrides),
            config_folders=tuple(map(str, registry.folders)),
            test=test,
        )
        for experiment in chosen
        for size in sizes
        for seed in seeds or profile.seeds
    ]
    for spec in specs:
        check_name(spec.experiment, "experiment")
    folders = [spec.folder for spec in specs]
    twice = [folder for folder in folders if folders.count(folder) > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is named twice; name each experiment and seed once")
    return Plan(name, runs / name, specs)


def _limit(size: int | None) -> dict[str, Any]:
    return {} if size is None else {"data": {"init_args": {"train_limit": size}}}


def prepare(specs: Sequence[RunSpec], console: Console) -> None:
    """Read and tokenise the corpora of runs, so that a bad corpus stops all of them here.

    Raises:
        DataError: a corpus that cannot be used.
        ConfigError: a setting that cannot be used.
    """
    done = set()
    for spec in specs:
        resolved = spec.resolve()
        key = repr(resolved.config["data"].get("init_args", {}).get("tokenizer"))
        key += repr(resolved.config["data"]["class_path"]) + repr(resolved.run.protocol)
        key += repr(resolved.config["data"].get("init_args", {}).get("train_limit"))
        if key in done:
            continue
        done.add(key)
        try:
            _, data = resolved.build()
            data.tokenizer.settings()
        except Unavailable:
            continue  # its run becomes a skipped row
        if data.refit:
            raise ConfigError(
                "data.refit is true, so that the epoch would be chosen on rows that the model was "
                "trained on; leave it out and set --run.protocol refit"
            )
        with console.status("reading and tokenising the corpus (once)"):
            data.prepare_data()
            if resolved.run.protocol == "refit":
                resolved.refitted().build()[1].prepare_data()
        data.setup()
        if spec.test and "test" not in data.store.splits:
            raise DataError(
                f"corpus {data.store.meta['corpus']!r} has no test rows, which a benchmark needs; "
                "name a file with --data.test, or use `lit-sentiment fit` without --test"
            )


def pending(plan: Plan, *, retry: bool = False, rerun: bool = False) -> list[RunSpec]:
    """Runs without a row of their present settings on the present corpus.

    Args:
        plan: all runs.
        retry: include failed runs.
        rerun: include finished runs.
    """
    left = []
    for spec in plan.specs:
        if (spec.folder / ROW_FILE).exists():
            row = read_row(spec.folder)
            # Weights that could not be had may be there now; asking costs little.
            again = rerun or row.status == "skipped" or (retry and row.status == "failed")
            if not again and _is_current(row, spec):
                continue
        left.append(spec)
    return left


def take_back_earlier(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Move finished runs of present settings back that were set aside. Hold the benchmark's lock.

    Returns:
        The runs that are left to do.
    """
    return [s for s in specs if not take_back(s.folder, partial(_is_current, spec=s))]


def _is_current(row: Row, spec: RunSpec) -> bool:
    resolved = spec.resolve()
    if row.settings_hash != resolved.hash:
        return False
    if row.corpus_fingerprint is None:  # it failed before it had read the corpus
        return True
    _, data = resolved.build()
    if not data.corpus_folder.exists():  # never read in this state: only reading tells
        data.prepare_data()
    return row.corpus_fingerprint == data.fingerprint


def run(
    plan: Plan,
    specs: Sequence[RunSpec],
    console: Console,
    deadline: float | None,
    launcher: Launcher,
) -> bool:
    """Carry runs out.

    Args:
        plan: their benchmark.
        specs: its runs that are left.
        console: for the progress.
        deadline: `time.monotonic()` by which this call must have ended; None: any time.
        launcher: starts the processes or jobs.

    Returns:
        Whether all runs have ended; False where the budget ended first.

    Raises:
        KeyboardInterrupt: Ctrl-C; the same call goes on later.
    """
    with Progress(
        TextColumn("{task.fields[name]:<24}"),
        BarColumn(),
        TextColumn("{task.fields[what]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        return launcher.run(specs, _ProgressDisplay(plan, len(specs), progress, console), deadline)


class _ProgressDisplay:
    """Progress bars; a run that ends without a row gets one that says why."""

    def __init__(self, plan: Plan, total: int, progress: Progress, console: Console) -> None:
        self.plan, self.progress, self.console = plan, progress, console
        self.whole = progress.add_task("", name=plan.name, what=f"{total} runs", total=total)
        self.tasks: dict[Path, TaskID] = {}
        self.since: dict[Path, str] = {}

    def started(self, spec: RunSpec) -> None:
        name = _name(spec)
        self.tasks[spec.folder] = self.progress.add_task("", name=name, what="starting", total=1.0)
        self.since[spec.folder] = now()

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        self.progress.update(self.tasks[spec.folder], what=what, completed=share)

    def message(self, words: str) -> None:
        self.progress.update(self.whole, what=words)

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        self.progress.remove_task(self.tasks.pop(spec.folder))
        if outcome == "stopped":
            if not any((spec.folder / name).exists() for name in (RESUME_FILE, SELECTION_FILE)):
                self.console.print(f"{_name(spec)} left no checkpoint; give it a longer --budget")
            return
        if outcome != "done" and not (spec.folder / ROW_FILE).exists():
            write_row(spec.folder, failed_row(spec, outcome, self.since[spec.folder]))
        collect(self.plan.folder)
        self.console.print(_line(spec, seconds), highlight=False)
        self.progress.advance(self.whole)


def seconds(text: str) -> float:
    """Seconds of a time such as `90`, `45s`, `9m` or `1.5h`.

    Raises:
        ConfigError: the text is no such time, or less than a minute.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise ConfigError(f"--budget {text!r} is not a time; write 90s, 9m or 1.5h")
    budget = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
    if budget < _LEAST_BUDGET:
        raise ConfigError(f"--budget {text} is less than {_LEAST_BUDGET} s, too short for any run")
    return budget


def _name(spec: RunSpec) -> str:
    return f"{spec.experiment} seed {spec.seed}"


def _line(spec: RunSpec, wall: float) -> str:
    row, name = read_row(spec.folder), _name(spec)
    if row.status != "ok":
        return f"[red]✗[/] {name}: {row.status}, {row.reason}"
    metrics = row.test or row.val
    part = "test" if row.test else "val"
    assert metrics is not None and row.train_seconds is not None
    return (
        f"[green]✓[/] {name}: {part} accuracy {metrics.accuracy:.2%}, "
        f"trained {row.train_seconds:.0f} s, {wall:.0f} s in all"
    )
