"""Signals that ask a run to stop: a handler that sets a flag, and who acts on it when."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.training import ranks

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(Exception):
    """The run was asked to stop; what it had done is kept, and the same call goes on from there.

    Args:
        number: the signal that asked.
        where: what the run was at.
    """

    def __init__(self, number: int = signal.SIGTERM, where: str = "") -> None:
        super().__init__(f"{signal.Signals(number).name} {where}")
        self.number = number


class StopRequest:
    """Whether a run was asked to stop.

    While steps are taken the handler only sets a flag, on which `Resumable` acts at the end of the
    batch. Outside of them there is no state to save, and one process stops at once; of several, a
    single one must not, so they agree between two parts of the run.

    Attributes:
        asked: the signal that came; None: none.
        stepping: whether steps are being taken.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.stepping = False

    def install(self) -> None:
        """Makes this the owner of the signals, whatever Lightning has put in its place.

        SIGINT stays ignored where it is: there, the parent is asked and tells us.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for name in SIGNALS:
            if not (name == signal.SIGINT and signal.getsignal(name) is signal.SIG_IGN):
                signal.signal(name, self._ask)

    def check(self, where: str) -> None:
        """Stops here if any rank was asked to.

        Raises:
            Stopped: one was.
        """
        [number] = ranks.all_reduce_max(self.asked or 0)
        if number:
            raise Stopped(number, where)

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: do not wait for the batch
        self.asked = signal.Signals(number)
        if not self.stepping and ranks.current().world == 1:
            raise Stopped(number, "outside of the steps")


_stop: StopRequest | None = None


@contextmanager
def handle_signals() -> Iterator[StopRequest]:
    """Takes the signals over until the outermost of such blocks ends."""
    global _stop
    if _stop is not None:
        yield _stop
        return
    before = {name: signal.getsignal(name) for name in SIGNALS}
    _stop = StopRequest()
    try:
        _stop.install()
        yield _stop
    finally:
        _stop = None
        if threading.current_thread() is threading.main_thread():
            for name, handler in before.items():
                signal.signal(name, handler)


def requeue() -> None:
    """Asks Slurm to run this job, or this task of its array, once more; outside Slurm, nothing."""
    env = os.environ
    job = env.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_JOB_ID" in env and "SLURM_ARRAY_TASK_ID" in env:
        job = f"{env['SLURM_ARRAY_JOB_ID']}_{env['SLURM_ARRAY_TASK_ID']}"
    if not re.fullmatch(r"[0-9_]+", job):
        return
    command = ["scontrol", "requeue", job]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        problem = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    said = f"not requeued ({problem}); submit it again" if problem else "requeued"
    print(f"Slurm job {job} {said}", flush=True)
