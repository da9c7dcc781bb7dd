"""The one way to a terminal: text is printed as it is."""

from __future__ import annotations

import sys
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.status import Status

_said: dict[str, None] = {}  # in order


class _PlainConsole(Console):
    """Console for any encoding, which leaves a reader who has gone to the program, as `print`."""

    def status(self, status: RenderableType, **options: Any) -> Status:
        spinner = "line" if self.options.ascii_only else "dots"
        return super().status(status, **{"spinner": spinner} | options)

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  # rich calls it in the handler of this error


def plain_console(**options: Any) -> Console:
    """Console without markup, emoji codes and guessed colours.

    Names, paths, labels and reasons come from outside: `[/encoder/layer]` in one of them is no tag.
    What is to have a style is a `rich.text.Text`.

    Args:
        **options: of `rich.console.Console`.
    """
    options = {"markup": False, "emoji": False, "highlight": False} | options
    console = _PlainConsole(**options)
    if console.is_terminal and not console.file.isatty() and "force_terminal" not in options:
        # FORCE_COLOR, which notebooks set: they show colours, and no spinner that moves the cursor.
        colours: Any = {"force_terminal": False, "color_system": console.color_system}
        console = _PlainConsole(**colours | options)
    return console


def say_once(sentence: str) -> None:
    """Print a sentence to standard error, unless this process has printed it already."""
    if sentence not in _said:
        _said[sentence] = None
        print(f"note: {sentence}", file=sys.stderr)


def said() -> tuple[str, ...]:
    """Sentences that `say_once` has printed in this process."""
    return tuple(_said)


def visible(text: str) -> str:
    """Text on one line, with escapes for what a terminal would obey or could not show."""
    return escaped(" ".join(text.split()))


def clipped(line: str, width: int) -> str:
    """Line of at most `width` cells of a terminal; a longer one ends in `…`."""
    return line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…"


def escaped(label: str) -> str:
    """Label, with escapes for line breaks and what else a terminal would obey or not show."""
    if label.isprintable():
        return label
    shown = (c if c.isprintable() or c in "\u200c\u200d" else ascii(c)[1:-1] for c in label)
    return "".join(shown)
