"""The one way to a terminal: text is printed as it is."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console

_said: set[str] = set()


def plain_console(**options: Any) -> Console:
    """Console without markup, emoji codes and guessed colours.

    Names, paths, labels and reasons come from outside: `[/encoder/layer]` in one of them is no tag.
    What is to have a style is a `rich.text.Text`.

    Args:
        **options: of `rich.console.Console`.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)


def say_once(sentence: str) -> None:
    """Print a sentence to standard error, unless this process has printed it already."""
    if sentence not in _said:
        _said.add(sentence)
        print(f"note: {sentence}", file=sys.stderr)
