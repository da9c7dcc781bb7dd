"""The command line: `lit-sentiment …`, or `python -m experiments …`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from datamodules.console import plain_console
from experiments.cli import streams
from experiments.cli.parser import parser
from experiments.cli.words import parse_words
from experiments.config.parse_once import parse_once
from experiments.config.registry import ConfigError
from experiments.launch.rank_variables import check_rank_variables
from experiments.machine import openmp
from experiments.machine.allocator import keep_memory
from experiments.machine.home import give_home
from experiments.machine.messages import quiet_libraries

_STOPPED = 130  # as a shell reports Ctrl-C
_PIPE_CLOSED = 141  # as a shell reports SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 success, 1 a failed run or bad input, 2 wrong usage, 75 a benchmark with
        runs that have not ended (EX_TEMPFAIL; the same command goes on), 130 stopped, 141 nobody
        reads the output any more.
    """
    openmp.configure()  # before a command loads PyTorch
    keep_memory()
    _leave_current_folder()
    streams.prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options, rest = _parse(given)
        console = plain_console() if sys.stdout.isatty() else plain_console(width=120)
        code = _run(options, rest, console)
        sys.stdout.flush()  # here, and not at exit, it is noticed that a reader has gone
    except BrokenPipeError:  # `lit-sentiment list | head`: nobody is left to be told
        streams.discard_output()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return _STOPPED
    return code


def _parse(given: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Options of a command, and the settings among its words. Help and wrong usage end here."""
    whole, commands = parser()
    command = commands.get(given[0]) if given else None
    if command is None:
        whole.parse_args(given)
        whole.print_help()
        raise SystemExit(0)
    options, settings, unknown = parse_words(given[1:], command)
    if unknown:
        hint = "; a text that begins with - goes after --" if hasattr(options, "text") else ""
        command.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return options, settings


def _run(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    from datamodules.errors import DataError
    from experiments.records.row import ResultsError

    try:
        give_home()
        check_rank_variables()
        quiet_libraries()
        with parse_once():
            code: int = options.command(options, rest, console)
        return code
    except BrokenPipeError:
        raise
    except (ConfigError, DataError, ResultsError, OSError) as error:
        print(f"error: {error}{_remedy(error)}", file=sys.stderr)
        return 1


def _remedy(error: Exception) -> str:
    """Remedy for an error of the operating system, whose message names a file alone."""
    if "No usable temporary directory" in str(error):
        return "; set $TMPDIR to a folder with space in which you can write"
    if isinstance(error, PermissionError) and error.filename:
        return "; name another place, or get the right to write there"
    return ""


def _leave_current_folder() -> None:
    """Let no process that this one starts import from the current folder, maybe a stranger's run.

    A checkout that is not installed names its own folder to them instead.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    home = Path(__file__).resolve().parents[2]
    before = os.environ.get("PYTHONPATH", "")
    if (home / "pyproject.toml").is_file() and str(home) not in before.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(home), before)))


if __name__ == "__main__":
    sys.exit(main())
