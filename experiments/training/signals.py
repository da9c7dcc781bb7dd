"""Signals that ask a run to stop: their handlers, and requeueing on Slurm."""

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
EXIT_STOPPED = 75  # exit code of a process whose run was stopped and can be resumed (EX_TEMPFAIL)


class Stopped(Exception):
    """The run was stopped by a signal; the same call resumes it from its checkpoint.

    Args:
        number: the signal.
        where: the place in the run, such as `at step 12`.
    """

    def __init__(self, number: int = signal.SIGTERM, where: str = "") -> None:
        super().__init__(f"{signal.Signals(number).name} {where}")
        self.number = number


class StopRequest:
    """Request to stop a run, set by a signal handler.

    During training steps the handler only sets a flag; `ResumeCheckpoint` saves and stops at the
    end of the batch. Between steps there is no state to save: a run of one process stops at once,
    and the ranks of a larger run agree in `check`, because none of them may stop alone.

    Attributes:
        signal: the signal received; None if there was none.
        stepping: True during training steps.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.stepping = False

    def install(self) -> None:
        """Installs the handlers, over those that Lightning may have set.

        SIGINT stays ignored where it is ignored: the parent process receives it and sends SIGTERM.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for name in SIGNALS:
            if not (name == signal.SIGINT and signal.getsignal(name) is signal.SIG_IGN):
                signal.signal(name, self._handle)

    def check(self, where: str) -> None:
        """Stops here if any rank has received a signal. Collective.

        Raises:
            Stopped: a rank has.
        """
        [number] = ranks.all_reduce_max(self.signal or 0)
        if number:
            raise Stopped(number, where)

    def _handle(self, number: int, frame: Any) -> None:
        if self.signal is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second Ctrl-C does not wait for the end of the batch
        self.signal = signal.Signals(number)
        if not self.stepping and ranks.current().world_size == 1:
            raise Stopped(number, "outside of the steps")


_request: StopRequest | None = None


@contextmanager
def handle_signals() -> Iterator[StopRequest]:
    """Handles the signals until the outermost such block ends."""
    global _request
    if _request is not None:
        yield _request
        return
    before = {name: signal.getsignal(name) for name in SIGNALS}
    _request = StopRequest()
    try:
        _request.install()
        yield _request
    finally:
        _request = None
        if threading.current_thread() is threading.main_thread():
            for name, handler in before.items():
                signal.signal(name, handler)


def requeue() -> None:
    """Requeues this Slurm job, or this task of a job array; outside Slurm does nothing."""
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
    outcome = f"not requeued ({problem}); submit it again" if problem else "requeued"
    print(f"Slurm job {job} {outcome}", flush=True)
