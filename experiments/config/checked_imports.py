"""Checks before jsonargparse imports what settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jsonargparse._typehints
import jsonargparse._util

from datamodules.trusted import Untrusted


@contextmanager
def checked_imports(check: Callable[[str], None]) -> Iterator[None]:
    """Call `check` before jsonargparse imports anything that a setting names.

    Its own settings know names of modules alone, not the files that they are in. A value may name
    a class in many ways (a mapping, a string, YAML in a string, the name of a YAML file); all of
    them pass the function that is replaced here. `check_settings` has looked at a run's settings
    before, but a string may be a class or not, which the parser alone knows.
    """
    refused: list[Untrusted] = []

    def checked(path: str) -> None:
        try:
            check(path)
        except Untrusted as error:
            refused.append(error)
            raise ImportError(str(error)) from error

    modules: list[Any] = [jsonargparse._util, jsonargparse._typehints]
    before = [module.check_import_path for module in modules]
    for module in modules:
        module.check_import_path = checked
    try:
        yield
    except Exception as error:
        if refused:
            raise refused[0] from error
        raise
    finally:
        for module, function in zip(modules, before, strict=True):
            module.check_import_path = function
