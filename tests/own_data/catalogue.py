"""All corpora by name, and those that today's code fails on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
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


def marked(names: list[str], failing: Mapping[str, str]) -> list[object]:
    """Parameters for pytest, of which those with a reason are expected to fail until mended."""
    assert failing.keys() <= set(names), failing.keys() - set(names)
    return [
        pytest.param(
            name,
            marks=[pytest.mark.xfail(strict=True, raises=AssertionError, reason=failing[name])]
            if name in failing
            else [],
        )
        for name in names
    ]
