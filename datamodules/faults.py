"""Fault points: places at which a test kills the process, to check the state on disk.

Nothing happens unless `$LIT_SENTIMENT_FAULT` names a point: under `row.json:2:0.5` the process gets
SIGKILL half a millisecond after it passes the point `row.json` for the second time.
"""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "LIT_SENTIMENT_FAULT"
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Kills the process here if `$LIT_SENTIMENT_FAULT` says so.

    Args:
        name: name of the point; an atomically replaced file has its own name.
    """
    setting = os.environ.get(VARIABLE)
    if setting is None:
        return
    point, number, milliseconds = setting.split(":")
    if point != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != int(number):
        return
    if float(milliseconds) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    # In a thread, so that it may interrupt a write that follows.
    threading.Thread(target=_kill_after, args=(float(milliseconds) / 1000,), daemon=True).start()


def _kill_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)
