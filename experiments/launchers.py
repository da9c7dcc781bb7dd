"""Where runs are carried out: here, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from experiments.config import Registry
from experiments.fitting import Tell
from experiments.run import RunSpec

LOG_FILE = "log.txt"
_STOPPED = 75  # exit code of a run that left a checkpoint and wants to go on (EX_TEMPFAIL)
_PRELOAD = ["experiments.run", "experiments.launchers"]


class LocalLauncher:
    """Runs one at a time in forked processes whose imports are loaded once.

    A crash or an out-of-memory kill ends that process alone. If this process dies, its run ends
    with it, so that no orphan writes into a folder that a second start has taken over.
    """

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(_PRELOAD)

    def run(
        self, spec: RunSpec, tell: Tell, deadline: float | None = None, grace: float = 20
    ) -> str:
        """Carries one run out.

        Args:
            spec: the run.
            tell: told how far it is.
            deadline: `time.monotonic()` by which the process must have ended.
            grace: seconds before the deadline at which it is asked to stop.

        Returns:
            `done` (its row is written, whatever it says), `stopped` (a later call goes on), or the
            reason why the process died.

        Raises:
            KeyboardInterrupt: Ctrl-C, after the run has left its checkpoint.
        """
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_child, args=(spec, theirs), daemon=True)
        process.start()
        theirs.close()
        asking = (signal.SIGTERM, signal.SIGUSR1)
        before = {number: signal.signal(number, _interrupt) for number in asking}
        asked = interrupted = False
        while process.is_alive():
            try:
                for ready in wait([ours, process.sentinel], timeout=0.5):
                    if ready is ours:
                        tell(*ours.recv())
                left = deadline - time.monotonic() if deadline is not None else float("inf")
                if left <= 0:
                    process.kill()
                elif left <= grace and not asked:
                    asked = True
                    process.terminate()
            except (EOFError, ConnectionResetError):
                process.join(timeout=1)
            except KeyboardInterrupt:
                if interrupted:
                    process.kill()
                interrupted = True
                process.terminate()
                tell("stopping after this step (Ctrl-C again: at once)", 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)
        process.join()
        ours.close()
        if interrupted:
            raise KeyboardInterrupt
        code = process.exitcode
        if code == 0:
            return "done"
        if code == _STOPPED or asked:
            return "stopped"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = "; out of memory? lower --data.batch_size" if name == "SIGKILL" else ""
            return f"its process was killed by {name}{hint}"
        return f"its process ended with exit code {code}; see {spec.folder / LOG_FILE}"


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


def carry_out(spec: RunSpec, tell: Tell) -> str:
    """Executes a run in this process, its output in `log.txt`; an error becomes its row.

    Returns:
        `done` or `stopped`, as `LocalLauncher.run` does.
    """
    from datamodules.errors import Unavailable
    from experiments.rank_group import started as together
    from experiments.results import ROW_FILE, write_row
    from experiments.run import execute, failed_row, now
    from experiments.stopping import Stopped

    started = now()
    with output_to(spec.folder / LOG_FILE):
        try:
            with together(spec):
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


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt  # a cluster's signal stops as cleanly as Ctrl-C does


def _child(spec: RunSpec, channel: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked too, and tells us
    threading.Thread(target=_end_with_parent, args=(channel,), daemon=True).start()
    Registry(Path(folder) for folder in spec.config_folders)
    outcome = carry_out(spec, lambda what, share: channel.send((what, share)))
    sys.stdout.flush()
    os._exit(0 if outcome == "done" else _STOPPED)


def _end_with_parent(channel: Connection) -> None:
    try:
        channel.recv()  # nothing is ever sent: this returns when the parent is gone
    except (EOFError, OSError):
        os._exit(1)
