"""A command in a process group of its own, which is halted while the machine is to be quiet."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from experiments.machine.quiet import LOOK_SECONDS, is_held


def run_halting(
    command: Sequence[str],
    lock: Path,
    say: Callable[[str], None],
    deadline: float | None = None,
) -> int:
    """Run a command, halted (SIGSTOP) with all that it starts while a lock is held.

    Args:
        command: It ends on SIGTERM.
        lock: File of the lock (`experiments.machine.quiet`).
        say: Is told when the command halts and when it goes on.
        deadline: `time.monotonic()` from which the lock is no longer heeded, since the command
            has to end; None: never.

    Returns:
        Its exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; the command was asked to end, and has.
    """
    halted = False
    with signals_interrupt(), _process_group(command) as process:
        while process.poll() is None:
            late = deadline is not None and time.monotonic() > deadline
            if (is_held(lock) and not late) != halted:
                halted = not halted
                os.killpg(process.pid, signal.SIGSTOP if halted else signal.SIGCONT)
                say(f"halted while {lock} is locked" if halted else "goes on")
            time.sleep(LOOK_SECONDS)
        return process.returncode


@contextmanager
def _process_group(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and let it end with the block."""
    process = subprocess.Popen(command, process_group=0)
    try:
        yield process
    except BaseException:
        process.terminate()
        os.killpg(process.pid, signal.SIGCONT)
        process.wait()
        raise
    finally:
        if process.poll() is None:  # a second Ctrl-C
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, unless they are ignored (nohup)."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
