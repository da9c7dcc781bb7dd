"""Errors that name the new module where an old one is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from datamodules.upgrade.names import MODULES, NAMES


class _MovedModules(MetaPathFinder):
    """Asked last, when no module of a name was found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MODULES:
            raise ModuleNotFoundError(
                f"{fullname} is {MODULES[fullname]} today; CHANGELOG.md lists all new names",
                name=fullname,
            )
        return None


def explain_moved_modules() -> None:
    """Let an import of an old module name the new one. Safe to call again."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())


def moved_attribute(package: str, name: str) -> Exception:
    """The error for a name that a package of today had as a module of the same name."""
    old = f"{package}.{name}"
    new = MODULES.get(old) or NAMES.get(old)
    if new is None:
        return AttributeError(f"module {package!r} has no attribute {name!r}")
    return ImportError(f"{old} is {new} today; CHANGELOG.md lists all new names", name=old)
