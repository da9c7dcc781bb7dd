"""All corpora by name, and those that today's code fails on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from tests.own_data import formats, labels, languages, shapes
from tests.own_data.case import Case

Generator = Callable[[Path], Case]


def _generators(module: ModuleType) -> dict[str, Generator]:
    own = inspect.getmembers(module, inspect.isfunction)
    return {
        name: function
        for name, function in own
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


CASES: dict[str, Generator] = {
    name: function
    for module in (languages, shapes, labels, formats)
    for name, function in _generators(module).items()
}


def marked(
    names: list[str], failing: Mapping[str, str], slow: Collection[str] = ()
) -> list[object]:
    """Parameters for pytest: those with a reason are expected to fail until that is mended."""
    assert {*failing, *slow} <= set(names), {*failing, *slow} - set(names)

    def marks(name: str) -> Iterator[pytest.MarkDecorator]:
        if name in failing:
            reason = failing[name]
            yield pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)
        if name in slow:
            yield pytest.mark.slow

    return [pytest.param(name, marks=list(marks(name))) for name in names]
