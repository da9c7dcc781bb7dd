"""The one way to a terminal: text is printed as it is."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """Console without markup, emoji codes and guessed colours.

    Names, paths, labels and reasons come from outside: `[/encoder/layer]` in one of them is no tag.
    What is to have a style is a `rich.text.Text`.

    Args:
        **options: of `rich.console.Console`.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)
