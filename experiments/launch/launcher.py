"""What all launchers share: how a run is carried out, and how its fate is told."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from experiments.config.registry import ConfigError
from experiments.records.atomic import remove_leftovers
from experiments.records.run_files import ROW_FILE, read_row, write_row
from experiments.training.callbacks import ProgressFn
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec

LOG_FILE = "log.txt"


class RunObserver(Protocol):
    """What is told how the runs of a launcher fare."""

    def started(self, spec: RunSpec) -> None:
        """A run begins, or goes on."""

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        """How far it is: in words, and from 0 to 1."""

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        """It is `done`, `stopped` (a later call goes on), or died for the reason given."""

    def message(self, words: str) -> None:
        """What concerns all of them."""


class Launcher(Protocol):
    """Where runs are carried out."""

    def run(
        self, specs: Sequence[RunSpec], observer: RunObserver, deadline: float | None = None
    ) -> bool:
        """Carries runs out.

        Args:
            specs: the runs.
            observer: told of each.
            deadline: `time.monotonic()` by which this call must have ended.

        Returns:
            Whether every run has ended; False where a later call is to go on.

        Raises:
            KeyboardInterrupt: Ctrl-C; what is under way goes on with a later call.
        """


def clear_run_folder(spec: RunSpec) -> None:
    """Removes what an earlier, ended run left; what an interrupted one left stays.

    A run that failed for no fault of its own (its node was lost, its time was up) has left a
    checkpoint, from which it goes on: the checkpoint itself knows what it belongs to.
    """
    remove_leftovers(spec.folder)
    file = spec.folder / ROW_FILE
    if not file.exists():
        return
    if read_row(spec.folder).status == "failed" and (spec.folder / RESUME_FILE).exists():
        file.unlink()
    else:
        shutil.rmtree(spec.folder)


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Holds a folder for this process.

    Raises:
        ConfigError: another process works in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"another start works in {folder}; wait for it, or choose another --name"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def output_to(file: Path) -> Iterator[None]:
    """Sends all that this process prints, libraries' C code included, to the end of a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(file, "a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def run_and_record(spec: RunSpec, tell: ProgressFn) -> str:
    """Executes a run in this process, its output in `log.txt`; an error becomes its row.

    Returns:
        `done` (its row is written, whatever it says), or `stopped` (a later call goes on).
    """
    from datamodules.errors import Unavailable
    from experiments.launch.process_group import start_process_group
    from experiments.machine.environment import now
    from experiments.training.outcome import failed_row
    from experiments.training.run import execute

    started = now()
    with output_to(spec.folder / LOG_FILE):
        try:
            with start_process_group(spec):
                execute(spec, tell)
        except Stopped as stop:
            print(f"stopped by {stop}")
            return "stopped"
        except Unavailable as error:
            print(f"skipped: {error}")
            write_row(spec.folder, failed_row(spec, str(error), started, "skipped"))
        except Exception as error:  # whatever it is, the table must show it
            traceback.print_exc()
            if not (spec.folder / ROW_FILE).exists():  # a complete row outlives what came after
                reason = f"{type(error).__name__}: {error}"
                write_row(spec.folder, failed_row(spec, reason, started))
    return "done"
