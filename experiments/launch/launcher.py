"""Parts that all launchers share: the run itself, its log, and observers of runs."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Protocol

from experiments.config.parse_once import parse_once
from experiments.launch.earlier import set_aside
from experiments.machine.environment import now
from experiments.records.atomic import remove_leftovers
from experiments.records.row import ResultsError
from experiments.records.run_files import ROW_FILE, read_row, write_row
from experiments.training.callbacks import ProgressFn
from experiments.training.folds import is_interrupted
from experiments.training.outcome import failed_row
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec

LOG_FILE = "log.txt"


class RunObserver(Protocol):
    """Observer of the runs of a launcher."""

    def started(self, spec: RunSpec) -> None:
        """A run starts or resumes."""

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        """A run has come so far: in words, and as a fraction from 0 to 1."""

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        """A run is `done`, `stopped` (a later call resumes it), or died for the given reason.

        Unless it is stopped, its row is written before.
        """

    def message(self, words: str) -> None:
        """A message about all runs."""


class TolerantObserver:
    """Observer that prints the errors of another one: what it fails to show ends no run.

    Args:
        observer: the other one.
    """

    def __init__(self, observer: RunObserver) -> None:
        self.observer = observer

    def started(self, spec: RunSpec) -> None:
        with errors_printed():
            self.observer.started(spec)

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        with errors_printed():
            self.observer.progressed(spec, what, share)

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        with errors_printed():
            self.observer.ended(spec, outcome, seconds)

    def message(self, words: str) -> None:
        with errors_printed():
            self.observer.message(words)


@contextmanager
def errors_printed() -> Iterator[None]:
    """Prints an error of the block, which shows the state of a run, as a note."""
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        print(f"note: the state of a run was not shown ({reason})", file=sys.stderr)


class Launcher(Protocol):
    """Starter of runs, as processes or jobs."""

    def run(
        self, specs: Sequence[RunSpec], observer: RunObserver, deadline: float | None = None
    ) -> bool:
        """Carry runs out.

        Args:
            specs: the runs.
            observer: of each run.
            deadline: `time.monotonic()` by which this call must have ended.

        Returns:
            Whether every run has ended; False where a later call must go on.

        Raises:
            KeyboardInterrupt: Ctrl-C; a later call resumes unfinished runs.
        """


def clear_run_folder(spec: RunSpec) -> None:
    """Clear a run's folder of an earlier run that has ended; an interrupted run stays.

    Hold the folder's lock. A finished run is set aside, never deleted, and so is one whose row is
    damaged. A failed one that left a checkpoint (its node was
    lost, its time was up) is resumed from it: the checkpoint itself says what it belongs to.
    """
    remove_leftovers(spec.folder)
    file = spec.folder / ROW_FILE
    if not file.exists():
        return
    try:
        status: str = read_row(spec.folder).status
    except ResultsError:
        status = "damaged"
    if status in ("ok", "damaged"):
        place = set_aside(spec.folder)
        what = "finished run" if status == "ok" else "run with a damaged row"
        print(f"note: the {what} in {spec.folder} is now {place}", file=sys.stderr)
    # A checkpoint may be of an older format, which is kept.
    elif any(spec.folder.glob("resume*.ckpt")) or is_interrupted(spec.folder):
        file.unlink()
    else:
        shutil.rmtree(spec.folder)


def record_death(spec: RunSpec, outcome: str, started: str) -> None:
    """Write the row of a run that died without one; print a note if that fails (a full disk).

    Args:
        spec: the run.
        outcome: as `RunObserver.ended` takes it.
        started: start time, as `now` gives it.
    """
    if outcome in ("done", "stopped") or (spec.folder / ROW_FILE).exists():
        return
    try:
        write_row(spec.folder, failed_row(spec, outcome, started))
    except OSError as error:
        print(f"note: {outcome}; and its row was not written ({error})", file=sys.stderr)


@contextmanager
def output_to(file: Path) -> Iterator[None]:
    """Append all output of this process, that of C libraries included, to a file.

    Also where something else, such as a display in the terminal, has taken the place of
    `sys.stdout` or `sys.stderr`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.dup(1), os.dup(2)
    with open(file, "a", buffering=1, encoding="utf-8", errors="backslashreplace") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        try:
            with redirect_stdout(log), redirect_stderr(log):
                yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), terminal, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def run_and_record(spec: RunSpec, tell: ProgressFn) -> str:
    """Execute a run in this process, with its output in `log.txt`; an error becomes a failed row.

    Returns:
        `done` (the row is written, whatever its status), or `stopped` (a later call resumes it).
    """
    from datamodules.errors import Unavailable
    from experiments.launch.process_group import start_process_group
    from experiments.training.run import execute

    started = now()
    with output_to(spec.folder / LOG_FILE):
        try:
            with parse_once(), start_process_group(spec):
                execute(spec, tell)
        except Stopped as stop:
            print(f"stopped by {stop}")
            return "stopped"
        except Unavailable as error:
            print(f"skipped: {error}")
            write_row(spec.folder, failed_row(spec, str(error), started, "skipped"))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of any kind, `sys.exit` too: the table shows it
            traceback.print_exc()
            if not (spec.folder / ROW_FILE).exists():  # a complete row stays
                reason = f"{type(error).__name__}: {error}"
                write_row(spec.folder, failed_row(spec, reason, started))
    return "done"
