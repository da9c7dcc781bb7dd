"""`playground`: trained runs side by side in a browser."""

from __future__ import annotations

import argparse
import socket
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.cli.options import add_device, path
from experiments.config.registry import ConfigError, Registry
from experiments.inference.corpus_names import corpus_of_run

if TYPE_CHECKING:  # these load torch
    from experiments.records.run_files import Weights


def playground(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`playground`: runs side by side in a browser: type a text, see answers and why.

    The page is served on this machine alone, and fetches nothing from another host.
    """
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"the playground needs Gradio ({error}); pip install 'lit-sentiment[playground]'"
        ) from error
    from experiments.inference.similar import similar_by_words
    from experiments.playground.app import LOOPBACK, build, serve
    from experiments.playground.reviews import load_runs, sample

    Registry(options.configs)
    _check_address(options.host, options.port)
    # Its reviews are those of validation, from which the second fit of `refit` learns.
    weights: Weights | None = None if options.root is None else "holdout"
    runs, notes = load_runs(options.run, options.device, weights)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    reviews, similar = [], None
    if options.root is not None:
        data = corpus_of_run(next(iter(runs.values())).folder, options.root)
        data.prepare_data()
        data.setup()
        reviews, similar = sample(data), similar_by_words(data)
    page = build(runs, reviews, similar)
    if options.host not in LOOPBACK:
        print(
            f"note: whoever reaches port {options.port} of this machine sees the page", flush=True
        )
    host = f"[{options.host}]" if ":" in options.host else options.host
    count = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    print(f"{count} on http://{host}:{options.port}; Ctrl-C ends it", flush=True)
    serve(page, options.host, options.port)
    return 0


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `playground`."""
    sub.add_argument("run", type=path, nargs="+", help="run folders, or benchmark folders")
    sub.add_argument(
        "--root",
        nargs="?",
        const="",
        metavar="DIR",
        help="the runs' corpus too, at this place or the one in their settings: reviews to pick "
        "from, similar ones, disagreement",
    )
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    sub.add_argument("--port", type=int, default=7860, help="port to listen on (7860)")
    add_device(sub)


def _check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before the work."""
    if not 0 < port < 2**16:
        raise ConfigError(f"--port is {port}; it must be a number from 1 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise ConfigError(
            f"{host}, port {port}: {error.strerror or error}; choose another --port or --host"
        ) from error
