"""Benchmark: experiments × random seeds, each run once, resumable, every outcome a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from datamodules.console import say_once
from datamodules.errors import Unavailable
from experiments.config.checks import check_seed
from experiments.config.corpus_size import CorpusDefaults
from experiments.config.names import check_name
from experiments.config.registry import (
    ConfigError,
    Profile,
    Registry,
    current_experiment,
    init_args,
    layered,
    merge,
)
from experiments.launch.display import ProgressDisplay
from experiments.launch.earlier import take_back
from experiments.launch.launcher import Launcher, TolerantObserver
from experiments.records.lock import Locked, exclusive_lock
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import EARLIER, ROW_FILE, read_row
from experiments.training.spec import RunSpec


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

    Their settings suit the size of a corpus of the user's own (`experiments.config.corpus_size`).

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
        ConfigError: an unknown experiment, a size below 2, a name that is no folder name, or a
            setting that cannot be used.
        DataError: a corpus of the user's own that cannot be used.
    """
    check_name(name, "--name")
    chosen = [current_experiment(name, registry) for name in names] or (
        list(registry.files) if profile.experiments is None else list(profile.experiments)
    )
    for word in overrides:
        if word.startswith("--seed_everything"):
            raise ConfigError(f"{word}: seeds are given with --seed (fit) or --seeds (benchmark)")
    for seed in seeds:
        check_seed(seed, "seed")
    sizes: list[int | None] = list(train_sizes) or [None]
    if train_sizes and any(word.startswith("--data.train_limit") for word in overrides):
        raise ConfigError(
            "--train-sizes and --data.train_limit both say how many reviews are trained on; leave "
            "one out"
        )
    small = [size for size in train_sizes if size < 2]
    if small:
        raise ConfigError(f"--train-sizes {small[0]}: a size is at least 2, a review of each class")
    defaults = CorpusDefaults(overrides)
    layers = {}
    for experiment, size in product(chosen, sizes):
        settings = merge(layered(registry, experiment, profile), _limit(size))
        if profile.fits_corpus:
            own = registry.own_settings(experiment)
            settings, changed = defaults.fit(registry.name_of(experiment), settings, own)
            if changed:
                say_once(changed)
        layers[experiment, size] = settings
    specs = [
        RunSpec(
            experiment=(full := registry.name_of(experiment) + (f"-{size}" if size else "")),
            benchmark=name,
            profile=profile.name,
            seed=seed,
            folder=runs / name / full / f"seed-{seed}",
            settings=layers[experiment, size],
            overrides=tuple(_of_its_corpus(experiment, registry, overrides)),
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


def _of_its_corpus(experiment: str, registry: Registry, overrides: Sequence[str]) -> Iterator[str]:
    """Leave out the folder of the official corpus where an experiment reads one of its own."""
    own = (registry.settings(experiment).get("data") or {}).get("class_path") or ""
    module, _, name = own.rpartition(".")
    rootless = own.startswith("datamodules.") and "root" not in init_args(
        getattr(import_module(module), name)
    )
    for word in overrides:
        if rootless and word.startswith("--data.root="):
            say_once(f"{experiment} reads {name}, which needs no {word.partition('=')[2]}")
        else:
            yield word


def _limit(size: int | None) -> dict[str, Any]:
    return {} if size is None else {"data": {"init_args": {"train_limit": size}}}


def prepare(specs: Sequence[RunSpec], console: Console) -> bool:
    """Read and tokenise the corpora of runs, so that a bad corpus stops all of them here.

    Returns:
        Whether every corpus has test rows, where runs ask for them.

    Raises:
        DataError: a corpus that cannot be used.
        ConfigError: a setting that cannot be used.
    """
    done, tested = set(), True
    for spec in specs:
        resolved = spec.resolve()
        key = repr(resolved.config["data"].get("init_args", {}).get("tokenizer"))
        key += repr(resolved.config["data"]["class_path"]) + repr(resolved.run.protocol)
        key += repr(resolved.run.folds)
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
            for fit in resolved.fits():
                fit.build()[1].prepare_data()
        if resolved.run.folds is not None:
            continue
        data.setup()
        if data.task is None:  # a user's own corpus, which nobody has looked at before
            for note in (*data.head.notes, *data.token_notes()):
                say_once(note)
        tested &= not spec.test or data.holds_out or "test" in data.store.splits
    return tested


def without_test(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The same runs, each ending with its figures on validation."""
    return [replace(spec, test=False) for spec in specs]


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
            try:
                row = read_row(spec.folder)
            except ResultsError as error:
                say_once(f"{error}")
                left.append(spec)
                continue
            # Weights that could not be had may be there now; asking costs little.
            again = rerun or row.status == "skipped" or (retry and row.status == "failed")
            if not again and is_current(row, spec):
                continue
        left.append(spec)
    return left


def take_back_earlier(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Move finished runs of present settings back that were set aside.

    Returns:
        The runs that are left to do.
    """
    left = []
    for spec in specs:
        taken = False
        if (spec.folder.parent / EARLIER).is_dir():
            with suppress(Locked), exclusive_lock(spec.folder):  # the launcher says that it is
                taken = take_back(spec.folder, partial(is_current, spec=spec))
        if not taken:
            left.append(spec)
    return left


def is_current(row: Row, spec: RunSpec) -> bool:
    """Check whether a row is of the settings and the corpus of a run."""
    resolved = spec.resolve()
    if row.settings_hash != resolved.hash:
        return False
    if row.corpus_fingerprint is None:  # it failed before it had read the corpus
        return True
    if row.task != resolved.task:  # splits or metrics were changed since
        return False
    return row.corpus_fingerprint == resolved.corpus_fingerprint()


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
        TextColumn("{task.fields[name]:<24}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[what]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        display = ProgressDisplay(plan.folder, len(specs), progress, console)
        return launcher.run(specs, TolerantObserver(display), deadline)
