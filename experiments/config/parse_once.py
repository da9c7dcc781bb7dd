"""Settings parsed once for each command, however often its steps ask for them.

To parse the settings of a run takes a tenth of a second, and a command asks for them five times:
when it checks them, plans the run, reads the corpus, counts the devices and executes the run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

_parsed: dict[Hashable, tuple[Any, dict[str, Any]]] | None = None


@contextmanager
def parse_once() -> Iterator[None]:
    """Keep, within the block, what has been parsed; blocks within it share it.

    Outside of a block nothing is kept: classes and files that settings name may change.
    """
    global _parsed
    outer = _parsed
    _parsed = {} if outer is None else outer
    try:
        yield
    finally:
        _parsed = outer


def parsed(
    key: Hashable, parse: Callable[[], tuple[Any, dict[str, Any]]]
) -> tuple[Any, dict[str, Any]]:
    """Return the parser's result and its plain values, each time as copies that may be changed.

    Args:
        key: everything that the result follows from.
        parse: makes them. What it raises is not kept.
    """
    if _parsed is None:
        return parse()
    if key not in _parsed:
        _parsed[key] = parse()
    cli, values = _parsed[key]
    cli = copy.copy(cli)
    cli.config = copy.deepcopy(cli.config)
    return cli, copy.deepcopy(values)
