"""Points at which a test lets the process be killed, to see what a killed one leaves behind.

Nothing happens unless `$LIT_SENTIMENT_FAULT` names a point, as in `row.json:2:0.5`: the second time
that the point is passed, half a millisecond later, the process gets SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "LIT_SENTIMENT_FAULT"
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """A place where being killed would hurt.

    Args:
        name: of the place; files that are replaced whole have their own names.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    point, number, milliseconds = wanted.split(":")
    if point != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != int(number):
        return
    if float(milliseconds) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    # In a thread, so that it strikes in the middle of what comes next, a write among it.
    threading.Thread(target=_kill_after, args=(float(milliseconds) / 1000,), daemon=True).start()


def _kill_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)
