"""Group letters: experiments that share one do not differ significantly."""

from __future__ import annotations

import string
from collections.abc import Iterator, Set
from itertools import chain, combinations, count


def group_letters(order: list[str], same: Set[frozenset[str]]) -> dict[str, str]:
    """Compact letter display: two names share a letter if and only if they do not differ.

    Insert and absorb (Piepho 2004): one column holds all names; for every pair that differs, each
    column with both is split in two, one without the first and one without the second; a column
    that is part of another is dropped. Each remaining column is a letter; the first name has `a`.

    Args:
        order: All names, the best first; letters are given in this order.
        same: The pairs that do not differ; other pairs do.

    Returns:
        Letters by name, at least one each.

    Raises:
        ValueError: A name is in `order` twice.
    """
    if len(set(order)) < len(order):
        raise ValueError(f"a name occurs twice in {order}; give each once")
    columns = [frozenset(order)] if order else []
    for one, two in combinations(order, 2):
        if frozenset((one, two)) in same:
            continue
        split = [column for column in columns if {one, two} <= column]
        remaining = [column for column in columns if not {one, two} <= column]
        for part in (column - {name} for column in split for name in (one, two)):
            if not any(part <= column for column in remaining):
                remaining = [column for column in remaining if not column < part] + [part]
        columns = remaining
    place = {name: number for number, name in enumerate(order)}
    columns.sort(key=lambda column: sorted(place[name] for name in column))
    shown = dict.fromkeys(order, "")
    for column, letter in zip(columns, _alphabet(), strict=False):
        for name in column:
            shown[name] += letter
    return shown


def _alphabet() -> Iterator[str]:
    """a to z, A to Z, then Greek letters and those after them in Unicode."""
    further = (chr(code) for code in count(0x3B1))
    return chain(string.ascii_letters, (letter for letter in further if letter.isalpha()))
