"""The benchmark: experiments × seeds, each run once, resumable, every outcome a row."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from experiments.config import ConfigError, Profile, Registry, layered
from experiments.launchers import LocalLauncher
from experiments.results import ROW_FILE, collect, read_row, write_row
from experiments.run import RunSpec, failed_row, now

_LEAST_SECONDS = 30  # with less of the budget left, no further run is started


@dataclass(frozen=True)
class Plan:
    """What a call of the benchmark is to do.

    Attributes:
        name: the benchmark's name.
        folder: `runs/<name>`.
        specs: every run, done or not.
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
) -> Plan:
    """Experiments × seeds.

    Args:
        registry: the experiments that exist.
        profile: sizes, and which experiments where `names` is empty.
        names: experiments asked for.
        seeds: seeds asked for; empty means the profile's.
        name: the benchmark's name.
        runs: folder of all benchmarks.
        overrides: words of the command line for every run.
        test: whether test rows are predicted.

    Raises:
        ConfigError: an unknown experiment, or a name that is no folder name.
    """
    if not re.fullmatch(r"[\w.+-]+", name):
        raise ConfigError(f"--name {name!r} must be a plain folder name of letters, digits and -")
    chosen = list(names) or (
        list(registry.files) if profile.experiments is None else list(profile.experiments)
    )
    specs = [
        RunSpec(
            experiment=Path(experiment).stem,
            benchmark=name,
            profile=profile.name,
            seed=seed,
            folder=runs / name / Path(experiment).stem / f"seed-{seed}",
            settings=layered(registry, experiment, profile),
            overrides=tuple(overrides),
            config_folders=tuple(map(str, registry.folders)),
            test=test,
        )
        for experiment in chosen
        for seed in seeds or profile.seeds
    ]
    return Plan(name, runs / name, specs)


def prepare(specs: Sequence[RunSpec], console: Console) -> None:
    """Reads and tokenises what the runs need, once, so that a bad corpus stops all of them here.

    Raises:
        DataError: a corpus that cannot be used.
        ConfigError: a setting that cannot be used.
    """
    done = set()
    for spec in specs:
        resolved = spec.resolve()
        key = repr(resolved.config["data"].get("init_args", {}).get("tokenizer"))
        key += repr(resolved.config["data"]["class_path"]) + repr(resolved.run.protocol)
        if key in done:
            continue
        done.add(key)
        resolved.cli.build()
        with console.status("reading and tokenising the corpus (once)"):
            resolved.cli.datamodule.prepare_data()


def pending(plan: Plan, *, retry: bool = False, rerun: bool = False) -> list[RunSpec]:
    """The runs without a row of their present configuration.

    What a run of another configuration left is removed; what an interrupted one left stays.

    Args:
        plan: all runs.
        retry: also those whose row says failed.
        rerun: also those that are done.
    """
    left = []
    for spec in plan.specs:
        file = spec.folder / ROW_FILE
        if file.exists():
            row = read_row(spec.folder)
            same = row.config_hash == spec.resolve().hash
            if same and not rerun and not (retry and row.status == "failed"):
                continue
            shutil.rmtree(spec.folder)
        left.append(spec)
    return left


def run(plan: Plan, specs: Sequence[RunSpec], console: Console, budget: float | None) -> bool:
    """Carries the runs out, one after the other.

    Args:
        plan: the benchmark they belong to.
        specs: what is left of it.
        console: where progress is shown.
        budget: seconds this call may take; None: any.

    Returns:
        Whether everything is done; False where the budget ended first.

    Raises:
        KeyboardInterrupt: Ctrl-C; the same call goes on later.
    """
    deadline = time.monotonic() + budget if budget is not None else None
    launcher = LocalLauncher()
    with Progress(
        TextColumn("{task.fields[name]:<24}"),
        BarColumn(),
        TextColumn("{task.fields[what]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        whole = progress.add_task("", name=plan.name, what="", total=len(specs))
        for number, spec in enumerate(specs):
            if deadline is not None and deadline - time.monotonic() < _LEAST_SECONDS:
                return False
            name = f"{spec.experiment} seed {spec.seed}"
            progress.update(whole, what=f"run {number + 1} of {len(specs)}")
            task = progress.add_task("", name=name, what="starting", total=1.0)
            started, clock = now(), time.monotonic()
            try:
                outcome = launcher.run(
                    spec,
                    lambda what, share, task=task: progress.update(  # type: ignore[misc]
                        task, what=what, completed=share
                    ),
                    deadline,
                )
            finally:
                progress.remove_task(task)
            if outcome == "stopped":
                return False
            if outcome != "done":
                write_row(spec.folder, failed_row(spec, outcome, started))
            collect(plan.folder)
            console.print(_line(name, spec, time.monotonic() - clock), highlight=False)
            progress.advance(whole)
    return True


def seconds(text: str) -> float:
    """Seconds from `90`, `45s`, `9m` or `1.5h`.

    Raises:
        ConfigError: anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise ConfigError(f"--budget {text!r} is no time; write 90s, 9m or 1.5h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _line(name: str, spec: RunSpec, wall: float) -> str:
    row = read_row(spec.folder)
    if row.status != "ok":
        return f"[red]✗[/] {name}: {row.status}, {row.reason}"
    metrics = row.test or row.val
    part = "test" if row.test else "val"
    assert metrics is not None and row.train_seconds is not None
    return (
        f"[green]✓[/] {name}: {part} accuracy {metrics.accuracy:.2%}, "
        f"trained {row.train_seconds:.0f} s, {wall:.0f} s in all"
    )
