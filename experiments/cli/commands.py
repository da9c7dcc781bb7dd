"""What each command of the command line does: options in, words to the terminal, exit code out.

Modules that load torch are imported where they are needed, so that usage and help come at once.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.config.registry import CONFIGS, ConfigError, Registry, nearest, read_profile

_OFFLINE = ("quick", "smoke")  # profiles whose corpus comes with the installation


def fit(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`fit`: a benchmark of one, in this process."""
    from experiments.cli import fit
    from experiments.launch import benchmark

    plan = benchmark.expand(
        _registry(options),
        read_profile(options.profile),
        names=[options.config],
        seeds=[options.seed],
        name=options.name,
        runs=options.runs,
        overrides=_overrides(options, rest),
        test=False,  # test rows are looked at only on the user's word
    )
    return fit.fit_one(plan, console, test=options.test, rerun=options.rerun)


def test(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`test`: adds the test columns to a finished run."""
    from experiments.training.run import test_run

    _registry(options)
    test_run(options.run)
    _show(options.run, console)
    return 0


def run_benchmark(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`benchmark`: every experiment of a profile, resumable, then the report."""
    from experiments.cli.result_commands import summarise
    from experiments.launch import benchmark
    from experiments.launch.launcher import exclusive_lock
    from experiments.records.atomic import remove_leftovers
    from experiments.records.plan import keep_plan
    from experiments.records.run_files import collect
    from experiments.report import report

    budget = benchmark.seconds(options.budget) if options.budget else None
    deadline = time.monotonic() + budget if budget else None
    plan = _plan(options, rest)
    launcher = _launcher(options, plan)  # before looking for rows, which jobs may write meanwhile
    todo = benchmark.pending(plan, retry=options.retry)
    finished = True
    if todo:
        benchmark.prepare(todo, console)
        with exclusive_lock(plan.folder):
            remove_leftovers(plan.folder)
            keep_plan(plan.folder, [spec.planned for spec in plan.specs])
            try:
                finished = benchmark.run(plan, todo, console, deadline, launcher)
            except KeyboardInterrupt:
                if options.launcher == "slurm":
                    ending = f"scancel --name lit-sentiment-{plan.name}"
                    console.print(f"the jobs go on; `{ending}` ends them", highlight=False)
                raise
    rows = collect(plan.folder)
    if not rows:
        console.print("no run has ended yet; the same command goes on", highlight=False)
        return 0
    report(plan.folder, console=console)
    if todo and finished:
        settings = plan.specs[0].resolve().run
        summarise(
            plan.folder,
            console,
            settings.wandb_texts,
            mode=settings.wandb_mode,
            project=settings.wandb_project,
            entity=settings.wandb_entity,
        )
    tracked = next((plan.folder.glob("*/*/wandb/offline-run-*")), None)
    if tracked is not None:
        console.print(
            f"W&B: `wandb leet {tracked.parent}` shows a run without an account, "
            f"`wandb sync {tracked}` sends it",
            soft_wrap=True,
            highlight=False,
        )
    if not finished:
        console.print("the budget is used up; the same command goes on", highlight=False)
    return 1 if any(row.status == "failed" for row in rows) else 0


def sweep(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`sweep`: tries settings of one experiment on validation and writes the best down."""
    import yaml

    from experiments.launch import benchmark
    from experiments.launch.local import LocalLauncher
    from experiments.launch.prefetch import offline_variables
    from experiments.records.atomic import replace_bytes
    from experiments.tuning.search_space import check_space, read_space, wandb_sweep
    from experiments.tuning.sweep import Sweep

    plan = benchmark.expand(
        _registry(options),
        read_profile(options.profile),
        names=[options.experiment],
        seeds=[options.seed],
        name=options.name or f"sweep-{Path(options.experiment).stem}",
        runs=options.runs,
        overrides=_overrides(options, rest),
        test=False,
    )
    spec = replace(plan.specs[0], folder=plan.folder)
    run = spec.resolve().run
    file = options.space or CONFIGS / "sweeps" / f"{spec.experiment}.yaml"
    space = read_space(file)
    check_space(file, space, spec)
    if options.wandb_sweep:
        content = wandb_sweep(
            space, options.experiment, spec, run.monitor, run.mode, options.trials
        )
        replace_bytes(options.wandb_sweep, yaml.safe_dump(content, sort_keys=False).encode())
        console.print(
            f"`wandb sweep {options.wandb_sweep}` registers it, `wandb agent …` runs trials",
            highlight=False,
        )
        return 0
    launcher = LocalLauncher(options.jobs, offline_variables([spec]))
    trials = Sweep(spec, space, options.trials, options.pruner, launcher, console)
    benchmark.prepare([spec], console)
    best = trials.run()
    if best is None:
        print("error: no trial came to an end; their rows say why", file=sys.stderr)
        return 1
    console.print(f"best settings: {best}", highlight=False, soft_wrap=True)
    return 0


def prepare(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`prepare`: fetches corpus, vectors and weights, tokenises, and fits nothing."""
    from experiments.launch import benchmark, prefetch

    # Weights first: without network that fails at once, and not after half an hour.
    fetched = []
    if options.weights:
        named = argparse.Namespace(**vars(options) | {"experiments": options.weights})
        fetched = [prefetch.fetch(spec) for spec in _plan(named, rest).specs]
        options.experiments = options.experiments or options.weights
    specs = _plan(options, rest).specs
    for spec in specs:
        prefetch.fetch_vectors(spec.resolve())
    benchmark.prepare(specs, console)
    console.print("the corpus is ready")
    if fetched:
        names = ", ".join(sorted(set().union(*fetched)))
        console.print(f"weights of {names} are ready; runs set HF_HUB_OFFLINE", highlight=False)
    return 0


def pretrain(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`pretrain`: an encoder learns the corpus's texts, without labels, before `fit`."""
    from experiments.config.registry import layered
    from experiments.config.resolved import Resolved
    from experiments.training import pretraining

    settings = layered(_registry(options), options.config, read_profile(options.profile))
    settings["seed_everything"] = options.seed
    resolved = Resolved(settings, _overrides(options, rest))
    with console.status("starting") as status:
        done = pretraining.pretrain(
            resolved,
            options.out,
            steps=options.steps,
            batch_size=options.batch_size,
            window=options.window,
            learning_rate=options.learning_rate,
            pairs=options.pairs,
            progress=lambda what, share: status.update(f"{share:.0%}: {what}"),
        )
    console.print(
        f"{done['steps']:,} steps over {done['rows']:,} texts in {done['seconds']:.0f} s; masked "
        f"loss on validation {done['val_masked_loss_before']:.3f} → {done['val_masked_loss']:.3f}; "
        f"go on with: lit-sentiment fit -c {options.config} --model.source {options.out} "
        f"--data.tokenizer.source {options.out}",
        highlight=False,
    )
    return 0


def speed(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`speed`: how fast a pretrained encoder trains and predicts on this machine."""
    from experiments.speed import encoders
    from experiments.speed.record import write

    registry = _registry(options)
    resolved = encoders.configure(registry, options.experiment, options.from_config, rest)
    found = encoders.report(options.experiment, resolved, options.steps, options.from_config)
    console.print(encoders.table(found))
    gigabytes = (found["peak_gpu_memory_bytes"] or found["peak_memory_bytes"]) / 2**30
    console.print(
        f"{found['device']}, {found['precision']}, {found['steps']} steps of "
        f"{found['batch_size']} reviews; peak memory {gigabytes:.1f} GiB; MFU is the share of "
        f"{found['peak_flops'] / 1e12:.2f} TFLOP/s, a matrix product measured here",
        highlight=False,
    )
    write(found, options.out)
    return 0


def show_list(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`list`: every experiment, what it is, and whether `quick` runs it."""
    registry, quick = _registry(options), read_profile("quick")
    table = Table("experiment", "what", "quick", box=None, header_style="bold")
    for name in registry.files:
        mark = "yes" if name in (quick.experiments or {}) else ""
        table.add_row(name, registry.description(name), mark)
    console.print(table)
    return 0


def _launcher(options: argparse.Namespace, plan):  # type: ignore[no-untyped-def]
    from experiments.launch.local import LocalLauncher
    from experiments.launch.prefetch import offline_variables
    from experiments.launch.slurm_config import read_cluster

    if options.launcher == "local":
        if options.cluster:
            raise ConfigError(f"--cluster {options.cluster} goes with --launcher slurm")
        return LocalLauncher(options.jobs, offline_variables(plan.specs))
    from experiments.launch.slurm import SlurmLauncher

    if options.jobs != 1:
        raise ConfigError(
            f"--jobs {options.jobs} is for this machine; on Slurm, `at_once:` in the file given as "
            "--cluster limits the jobs that run at a time"
        )
    cluster = read_cluster(options.cluster)
    return SlurmLauncher(plan.folder, cluster, options.retry, offline_variables(plan.specs))


def _plan(options: argparse.Namespace, rest: list[str]):  # type: ignore[no-untyped-def]
    from experiments.launch import benchmark

    registry, profile = _registry(options), read_profile(options.profile)
    for name in options.experiments:
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
        overrides=_overrides(options, rest),
        train_sizes=getattr(options, "train_sizes", None) or [],
    )


def _overrides(options: argparse.Namespace, rest: list[str]) -> list[str]:
    """Settings given in short (`--root`) and in full (`--model.dropout 0.3`)."""
    if options.root and options.profile in _OFFLINE and not any("--data=" in w for w in rest):
        raise ConfigError(
            f"--root {options.root}: profile {options.profile!r} has its own offline corpus; add "
            "--profile full for the official one"
        )
    return [*([f"--data.root={options.root}"] if options.root else []), *rest]


def _registry(options: argparse.Namespace) -> Registry:
    return Registry(options.configs)


def _show(folder: Path, console: Console) -> None:
    from experiments.records.run_files import read_rows
    from experiments.report.tables import build_tables
    from experiments.report.terminal import print_tables

    print_tables(console, build_tables(read_rows(folder)))
