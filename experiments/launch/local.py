"""Runs on this machine, one or several at once, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from experiments.config.registry import ConfigError, Registry
from experiments.launch.launcher import LOG_FILE, RunObserver, clear_run_folder, run_and_record
from experiments.machine.resources import Share, outside_allocation, shares, take
from experiments.training.spec import RunSpec

LEAST_SECONDS = 30  # with less of the budget left, no further run is started
_STOPPED = 75  # exit code of a run that left a checkpoint and wants to go on (EX_TEMPFAIL)
_PRELOAD = ["experiments.training.run", "experiments.launch.local"]


@dataclass
class _Running:
    """A run under way."""

    spec: RunSpec
    process: BaseProcess
    channel: Connection
    share: Share
    since: float
    asked: bool = False
    mute: bool = False

    def listen(self, observer: RunObserver) -> None:
        """Passes on what the process says of itself."""
        try:
            while not self.mute and self.channel.poll():
                observer.progressed(self.spec, *self.channel.recv())
        except (EOFError, OSError):
            self.mute = True  # it is about to end

    def ask(self) -> None:
        """Asks for a checkpoint and the end; once, since a second time means at once."""
        if not self.asked:
            self.asked = True
            self.process.terminate()

    def outcome(self) -> str:
        """As `Watch.ended` takes it."""
        code = self.process.exitcode
        if code == 0:
            return "done"
        if code == _STOPPED or self.asked:
            return "stopped"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = "; out of memory? lower --data.batch_size" if name == "SIGKILL" else ""
            return f"its process was killed by {name}{hint}"
        return f"its process ended with exit code {code}; see {self.spec.folder / LOG_FILE}"


class LocalLauncher:
    """Runs in forked processes whose imports are loaded once.

    A crash or an out-of-memory kill ends that process alone. If this process dies, its runs end
    with it, so that no orphan writes into a folder that a second start has taken over.

    Args:
        jobs: runs at once. They have a card each as long as there are enough, and the cores
            divided among them.
        variables: of the environment of every run.

    Raises:
        ConfigError: fewer than one.
    """

    def __init__(self, jobs: int = 1, variables: dict[str, str] | None = None) -> None:
        if jobs < 1:
            raise ConfigError(f"--jobs is {jobs}; it must be at least 1")
        self.shares = shares(jobs)
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
        """Carries runs out, as `Launcher.run` says; each is taken when there is room for it.

        Args:
            specs: the runs; may depend on how the earlier ones ended.
            observer: told of each.
            deadline: `time.monotonic()` by which this call must have ended.
            grace: seconds before the deadline at which what runs is asked to stop.
        """
        waiting, running, free = iter(specs), list[_Running](), list(self.shares)
        finished, more = True, True
        with _asked_to_stop() as asked:
            while more or running:
                left = deadline - time.monotonic() if deadline is not None else float("inf")
                while more and free:
                    spec = next(waiting, None) if not asked else None
                    more = spec is not None and left > max(LEAST_SECONDS, grace)
                    finished &= more or spec is None
                    if more and spec is not None:
                        clear_run_folder(spec)
                        observer.started(spec)
                        running.append(self._start(spec, free.pop(0)))
                if asked and not all(run.asked for run in running):
                    observer.message("stopping after this step (Ctrl-C again: at once)")
                for run in running:
                    if left <= 0 or len(asked) > 1:
                        run.process.kill()
                    elif left <= grace or asked:
                        run.ask()
                if not running:
                    continue
                wait(
                    [run.process.sentinel for run in running]
                    + [run.channel for run in running if not run.mute],
                    timeout=0.5,  # and then look whether a signal came
                )
                for run in list(running):
                    alive = run.process.is_alive()  # before listening: its last words count
                    run.listen(observer)
                    if not alive:
                        running.remove(run)
                        free.append(run.share)
                        finished &= self._end(run, observer)
        if asked:
            raise KeyboardInterrupt
        return finished

    def _start(self, spec: RunSpec, share: Share) -> _Running:
        share = Share(self.variables | share.variables, share.threads)
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_child, args=(spec, share, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Running(spec, process, ours, share, time.monotonic())

    def _end(self, run: _Running, observer: RunObserver) -> bool:
        run.process.join()
        run.channel.close()
        outcome = run.outcome()
        observer.ended(run.spec, outcome, time.monotonic() - run.since)
        return outcome != "stopped"


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Collects Ctrl-C and a cluster's signals; the loop acts on them, never the handler."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def handler(number: int, frame: Any) -> None:
        came.append(number)

    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield came
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _child(spec: RunSpec, share: Share, channel: Connection) -> None:
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # the parent is asked too, and tells us
    threading.Thread(target=_end_with_parent, args=(channel,), daemon=True).start()
    take(share)
    Registry(Path(folder) for folder in spec.config_folders)
    outcome = run_and_record(spec, lambda what, part: channel.send((what, part)))
    sys.stdout.flush()
    os._exit(0 if outcome == "done" else _STOPPED)


def _end_with_parent(channel: Connection) -> None:
    try:
        channel.recv()  # nothing is ever sent: this returns when the parent is gone
    except (EOFError, OSError):
        os._exit(1)
