"""Clock that pauses while this process is halted."""

from __future__ import annotations

import threading
import time
from typing import Self


class RunningClock:
    """Clock that pauses while this process is halted (SIGSTOP), as clusters halt jobs.

    A thread looks at the time at intervals. Where it comes much too late, and the process has used
    no processor meanwhile, the process was halted. Without its block the clock never pauses.

    Args:
        interval: seconds between two looks.
        least: seconds of the shortest halt that is noticed.

    Attributes:
        halted: seconds of all halts so far.
    """

    def __init__(self, interval: float = 1.0, least: float = 5.0) -> None:
        self.interval, self.least, self.halted = interval, least, 0.0
        self._lock, self._left = threading.Lock(), threading.Event()
        self._watching = False

    def __enter__(self) -> Self:
        self._looked, self._used = time.perf_counter(), time.process_time()
        self._began = self._looked
        self._watching = True
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds()  # notices a halt that has just ended
        self._watching = False
        self._left.set()

    def seconds(self) -> float:
        """Seconds since some point in time, without halts."""
        with self._lock:
            now = time.perf_counter()
            if self._watching:
                used = time.process_time()
                late = now - self._looked - self.interval
                if late > self.least and used - self._used < 0.1 * late:
                    self.halted += late
                self._looked, self._used = now, used
            return now - self.halted

    def elapsed(self) -> float:
        """Seconds since the block began, without halts."""
        return self.seconds() - self._began

    def _watch(self) -> None:
        while not self._left.wait(self.interval):
            self.seconds()
