"""Local launcher: runs on this machine, one or several at once, each in its own process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from experiments.config.registry import ConfigError, Registry
from experiments.launch.launcher import (
    LOG_FILE,
    RunObserver,
    clear_run_folder,
    record_death,
    run_and_record,
)
from experiments.machine.environment import now
from experiments.machine.resources import (
    Share,
    apply_share,
    outside_allocation,
    split_resources,
)
from experiments.records.lock import Locked, exclusive_lock
from experiments.records.run_files import ROW_FILE
from experiments.training.signals import EXIT_STOPPED
from experiments.training.spec import RunSpec

LEAST_SECONDS = 30  # no further run is started with less of the budget left
_PRELOAD = ["experiments.training.run", "experiments.launch.local"]


@dataclass
class _Running:
    """A run in progress."""

    spec: RunSpec
    process: BaseProcess
    channel: Connection
    share: Share
    started: str  # ISO 8601
    started_at: float  # `time.monotonic()`
    lock: ExitStack  # of its folder
    stop_requested: bool = False
    channel_closed: bool = False

    def forward_progress(self, observer: RunObserver) -> None:
        """Passes progress from the process to the observer."""
        try:
            while not self.channel_closed and self.channel.poll():
                observer.progressed(self.spec, *self.channel.recv())
        except Exception:  # the process is about to end, or what it sends makes no sense
            self.channel_closed = True

    def request_stop(self) -> None:
        """Sends SIGTERM once, upon which the run writes its checkpoint and ends."""
        if not self.stop_requested:
            self.stop_requested = True
            self.process.terminate()

    def outcome(self) -> str:
        """Outcome of the ended process, as `RunObserver.ended` takes it."""
        code = self.process.exitcode
        if code == 0:
            done = (self.spec.folder / ROW_FILE).exists()
            log = self.spec.folder / LOG_FILE
            return "done" if done else f"its process ended without a row; see {log}"
        if code == EXIT_STOPPED or self.stop_requested:
            return "stopped"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = "; out of memory? lower --data.batch_size" if name == "SIGKILL" else ""
            return f"its process was killed by {name}{hint}"
        return f"its process ended with exit code {code}; see {self.spec.folder / LOG_FILE}"


class LocalLauncher:
    """Launcher of runs in forked processes, which share one set of imports.

    A crash or an out-of-memory kill ends one process only. If this process dies, its runs end too,
    so that no orphan writes into a folder that a second start uses.

    Args:
        jobs: runs at a time; they share the CPU cores and GPUs (`split_resources`).
        variables: environment variables of every run.

    Raises:
        ConfigError: `jobs` is less than 1.
    """

    def __init__(self, jobs: int = 1, variables: dict[str, str] | None = None) -> None:
        if jobs < 1:
            raise ConfigError(f"--jobs is {jobs}; it must be at least 1")
        self.shares = split_resources(jobs)
        self.variables = variables or {}
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(_PRELOAD)
        with outside_allocation():
            ensure_running()

    def run(
        self,
        specs: Iterable[RunSpec],
        observer: RunObserver,
        deadline: float | None = None,
        grace: float = 20,
    ) -> bool:
        """Executes runs, as in `Launcher.run`; takes the next spec when a slot is free.

        Args:
            specs: the runs; an iterator may choose each by the outcome of earlier ones.
            observer: receives the progress and the outcome of each run.
            deadline: `time.monotonic()` by which this call must return.
            grace: seconds before the deadline at which unfinished runs are stopped.

        Returns:
            True if every run has ended; False if a later call has to resume some.

        Raises:
            KeyboardInterrupt: a signal stopped the runs.
        """
        waiting, running, free = iter(specs), list[_Running](), list(self.shares)
        finished, more = True, True
        with _collect_signals() as signals, _none_left(running):
            while more or running:
                left = deadline - time.monotonic() if deadline is not None else float("inf")
                while more and free:
                    spec = next(waiting, None) if not signals else None
                    more = spec is not None and left > max(LEAST_SECONDS, grace)
                    finished &= more or spec is None
                    if more and spec is not None:
                        try:
                            run = self._start(spec, free[0], observer)
                        except Locked as error:  # it is left to that process
                            print(f"note: {error}", file=sys.stderr)
                            finished = False
                            continue
                        if run is not None:
                            running.append(run)
                            del free[0]
                if signals and not all(run.stop_requested for run in running):
                    observer.message("stopping after this step (Ctrl-C again: at once)")
                for run in running:
                    if left <= 0 or len(signals) > 1:
                        run.process.kill()
                    elif left <= grace or signals:
                        run.request_stop()
                if not running:
                    continue
                wait(
                    [run.process.sentinel for run in running]
                    + [run.channel for run in running if not run.channel_closed],
                    timeout=0.5,  # then check for signals and the deadline
                )
                for run in list(running):
                    alive = run.process.is_alive()  # first, so that no last message is missed
                    run.forward_progress(observer)
                    if not alive:
                        running.remove(run)
                        free.append(run.share)
                        finished &= self._end(run, observer)
        if signals:
            raise KeyboardInterrupt
        return finished

    def _start(self, spec: RunSpec, share: Share, observer: RunObserver) -> _Running | None:
        """Starts a run under the lock of its folder; None where it failed at once.

        Raises:
            Locked: another process works in its folder.
        """
        with ExitStack() as lock:
            lock.enter_context(exclusive_lock(spec.folder))
            started, started_at = now(), time.monotonic()
            observer.started(spec)
            try:
                clear_run_folder(spec)
                all_of_it = Share(self.variables | share.variables, share.threads)
                channel, far_end = self.context.Pipe()
                arguments = (spec, all_of_it, far_end)
                process = self.context.Process(target=_run, args=arguments, daemon=True)
                process.start()
                far_end.close()
            except Exception as error:  # a full disk, or no rights: the others go on
                reason = f"it could not start ({type(error).__name__}: {error})"
                record_death(spec, reason, started)
                observer.ended(spec, reason, 0.0)
                return None
            return _Running(spec, process, channel, share, started, started_at, lock.pop_all())

    def _end(self, run: _Running, observer: RunObserver) -> bool:
        run.process.join()
        run.channel.close()
        outcome = run.outcome()
        with run.lock:
            record_death(run.spec, outcome, run.started)
            observer.ended(run.spec, outcome, time.monotonic() - run.started_at)
        return outcome != "stopped"


@contextmanager
def _none_left(running: list[_Running]) -> Iterator[None]:
    """Ends the runs that an error in the block has left running."""
    try:
        yield
    finally:
        for run in running:
            run.process.kill()
            run.process.join()
            run.lock.close()


@contextmanager
def _collect_signals() -> Iterator[list[int]]:
    """Collects Ctrl-C and the signals of a cluster in a list, which the launcher's loop reads."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def handler(number: int, frame: Any) -> None:
        received.append(number)

    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield received
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _run(spec: RunSpec, share: Share, channel: Connection) -> None:
    """Executes a run in its process, whose exit code is the outcome."""
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # the parent receives it too and sends SIGTERM
    threading.Thread(target=_end_with_parent, args=(channel,), daemon=True).start()
    apply_share(share)
    Registry(Path(folder) for folder in spec.config_folders)
    outcome = run_and_record(
        spec, lambda description, fraction: channel.send((description, fraction))
    )
    sys.stdout.flush()
    os._exit(0 if outcome == "done" else EXIT_STOPPED)


def _end_with_parent(channel: Connection) -> None:
    try:
        channel.recv()  # nothing is ever sent: this returns when the parent has died
    except (EOFError, OSError):
        os._exit(1)
