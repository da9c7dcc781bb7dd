"""Budget of a benchmark: the time within which a call ends, whatever it is at."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.config.registry import ConfigError

LEAST_BUDGET = 60
_REPORT_SECONDS = 15.0  # left to the report, of a budget of a few minutes
_AGAIN_SECONDS = 5.0  # after which the end is said again, where a library has swallowed it


class BudgetOver(BaseException):
    """The budget is used up. No `Exception`: nothing is to take it for an error of a run."""


def seconds(text: str) -> float:
    """Seconds of a time such as `90`, `45s`, `9m` or `1.5h`.

    Raises:
        ConfigError: the text is no such time, or less than a minute.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise ConfigError(f"--budget {text!r} is not a time; write 90s, 9m or 1.5h")
    budget = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
    if budget < LEAST_BUDGET:
        raise ConfigError(f"--budget {text} is less than {LEAST_BUDGET} s, too short for any run")
    return budget


def of_runs(budget: float) -> float:
    """Seconds of a budget that the runs may use; the rest is left to the report."""
    return budget - min(_REPORT_SECONDS, budget / 6)


@contextmanager
def until(deadline: float | None) -> Iterator[None]:
    """End the block at a time, `time.monotonic()`, by an error; None: never.

    Raises:
        BudgetOver: the time has come.
    """
    if deadline is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise BudgetOver

    before = signal.signal(signal.SIGALRM, end)
    try:
        left = max(deadline - time.monotonic(), 0.001)  # 0 would mean never
        signal.setitimer(signal.ITIMER_REAL, left, _AGAIN_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
