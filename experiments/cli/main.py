"""The command line: `lit-sentiment …`, or `python -m experiments …`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from datamodules.console import plain_console
from experiments.cli.parser import parser
from experiments.config.registry import ConfigError
from experiments.machine import openmp

_STOPPED = 130  # as a shell reports Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 success, 1 a failed run or bad input, 2 wrong usage, 75 a benchmark with
        runs that have not ended (EX_TEMPFAIL; the same command goes on), 130 stopped.
    """
    openmp.configure()  # before a command loads PyTorch
    _leave_current_folder()
    words = parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options, rest = words.parse_known_args(_joined(given))
    if rest and not options.overridable:
        words.error(f"unrecognized arguments: {' '.join(rest)}")
    console = plain_console() if sys.stdout.isatty() else plain_console(width=120)
    if isinstance(sys.stdout, TextIOWrapper):  # what an encoding lacks ends no command
        sys.stdout.reconfigure(errors="backslashreplace")
    from datamodules.errors import DataError
    from experiments.records.row import ResultsError

    try:
        code: int = options.command(options, rest, console)
        return code
    except (ConfigError, DataError, ResultsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return _STOPPED


def _leave_current_folder() -> None:
    """Let no process that this one starts import from the current folder, maybe a stranger's run.

    A checkout that is not installed names its own folder to them instead.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    home = Path(__file__).resolve().parents[2]
    before = os.environ.get("PYTHONPATH", "")
    if (home / "pyproject.toml").is_file() and str(home) not in before.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(home), before)))


def _joined(words: list[str]) -> list[str]:
    """Join `--model.dropout 0.3` to one word, so that no value is taken for an experiment."""
    joined: list[str] = []
    for word in words:
        before = joined[-1] if joined else ""
        dotted = "." in before or before == "--seed_everything"
        setting = before.startswith("--") and dotted and "=" not in before
        if setting and not word.startswith("--"):
            joined[-1] = f"{before}={word}"
        else:
            joined.append(word)
    return joined


if __name__ == "__main__":
    sys.exit(main())
