"""Progress of a long prediction, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_EVERY = 30.0  # seconds between two lines where no bar can be drawn


class Progress:
    """Count of predicted texts: a bar on a terminal, elsewhere a line every half minute.

    Args:
        total: Texts in all.
        done: Texts that an earlier start has predicted.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.before = total, done, done
        self.started = self.said = time.monotonic()

    def advance(self, texts: int) -> None:
        """Count further texts."""
        self.done += texts
        now = time.monotonic()
        if now - self.said >= _EVERY:
            self.said = now
            print(self.sentence(now - self.started), file=sys.stderr, flush=True)

    def sentence(self, seconds: float) -> str:
        """Texts done, rate and time left, after so many seconds."""
        rate = (self.done - self.before) / seconds
        left = (self.total - self.done) / rate
        return f"{self.done:,} of {self.total:,} texts, {rate:,.0f}/s, {_clock(left)} left"


@contextmanager
def progress(total: int, done: int) -> Iterator[Progress]:
    """Show progress until the end of the block."""
    if not sys.stderr.isatty():
        yield Progress(total, done)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    from datamodules.console import plain_console

    shown = TextColumn("{task.description}", markup=False)
    with Bars(BarColumn(), shown, console=plain_console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=total, completed=done)

        class Drawn(Progress):
            def advance(self, texts: int) -> None:
                self.done += texts
                sentence = self.sentence(time.monotonic() - self.started)
                bars.update(task, completed=self.done, description=sentence)

        yield Drawn(total, done)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
